"""The radical of a Chinese character: one of the 214 of the Kangxi dictionary.

The table is the field kRSUnicode of the Unicode Han Database 17.0: every Han character of Unicode, 102,998 with the
compatibility forms. Of several radicals (U+4E38 丸 has two, say) the first one counts, and a simplified form of a
radical (149' 讠) is that radical (149 言). run_scripts/build_radicals.py makes it. The data are under Unicode's licence
(hanziformers/font_files/licenses/standard-8105-Unicode.txt).
"""

import base64
import zlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

NUMBER = 214

# first code point of a run of characters, and the one behind its last
BLOCKS = (
    (0x3400, 0x4DC0),
    (0x4E00, 0xA000),
    (0xF900, 0xFA6E),
    (0xFA70, 0xFADA),
    (0x20000, 0x2A6E0),
    (0x2A700, 0x2B81E),
    (0x2B820, 0x2CEAE),
    (0x2CEB0, 0x2EBE1),
    (0x2EBF0, 0x2EE5E),
    (0x2F800, 0x2FA1E),
    (0x30000, 0x3134B),
    (0x31350, 0x3347A),
)

# the radical of each of these characters, one byte each, deflated and in base 85
PACKED = (
    "c-rmViC+|D9{}*rBB;v|2p)JXtKx-#Cm!f3X)3ZIUW;c$mSm;{Uf>yRMpi3IM)snHqDi8dnpauom1lXPf6qJj`OM5S_YC`d{Q%3du*<r@&hPYi"
    "JTWn`v2hBzcJ0=k;I&UYE&-Q_OCr31OBPG%k*ZZ1NY9=<d-duS?oH{_CmqwbAEv+90Ng-Ilh3s>(lSVXGYuLvc*u}U!cc%=&NZB41hkR3EX*jr"
    "Y_Oc1Trtpj<{CW)H+JmUaav8l<f$}q;-pEFCQqI`ML~Z4RMs>o0T-GsFauZMPH*C7sx)iXthX4mNprXgO*U`dydpxFd{Y!OS!vKdZ%djlaegsl"
    "zOoX&g^S=UUV;fli&CpC#Vo@tU$J5(ZPluGG$=Drx!K<1S*^+YxDP(~phDV*Yb~^n>tmtyVjFDo3GGu-r6sDMZL-d0wYC6kb+&8xt7`3PoMao<"
    "b_qMccFNg>*}Z%BX9BfSJ`X#<7hin&WgYG-%-+3wzlQcLDH5Ibfz(@WKj8qb!6e_|4l4K_tkFh4&<=_GDD*#}CTNFoNAx&quAc;&^*VO!IIacO"
    "3Dr(&ajMlqzu-=*(WcQ^zH0VlyISXd#hvH5pwC6V-zb+@myK}+($%ZijPg6?58QRb{i)<H!VPGD|9y*aTkMYY?%LrW+&!-Q(jGi`@R0O~<FS<g"
    "Fi)O5d5U{Rc}{up;-!R+j*eHD*RNlDe7+n!`1JNQ52P5(iWpiKlBY{7gL9HVXMQH+#>FXThX~y;o^E{IC3z9VZt+kO*sP;i62KcE$y%g<^kAhr"
    "SDFrmikIjqqZh8XtUk2#^mI=;SYNJwQu=E!KxCjaA7Y!CQTbgjwZHNpDZ>zc#2FrI{ltNsIuW43q#+!cB0~-2xH6RLVTc(eJupVtWF%OY*eIav"
    "*lZ1Qa;z^ridv%yE!fK#j<H<h3>Q|s#CXaCE%jW6n8=vKHJLI+k9;Afs%)RS@-lb<1TnfYP~HrX0tD&gG!>n~)ur;h#Wfpb4xG8TLWEO)%fjAE"
    "qD~gk!bN;x@+F8MNYr^-w_>pQnw3acKwC&!q`_j`5(P|cd4fx8;wwW4f^_mu6vXJh9@;XZ!3VQ~vQk7_%a3LKKu+>5t{gG1B}-!~7SW7FT0^N&"
    "X&v>pTKS?MlGa9nk4Wp(g6Tn%vmu)BTjE%ih_&5+X4pvB<Vu^(0cvEtbZLu(t%yykouCFmjOp3k2Gzl<Xoq?`4X}%~oA8;ES_6H~2qRL8^tMzJ"
    "_Rzkh)d_sXw^vpBHI#2KQQfBPY8xGNTT0P?heL-D^xr3;9_f7ca~uF`KxAiG&^Y5Ost&4Cr9Aq=ffF$h*ZP4^X`acC$`ejNnk+EW{Hr+3aYVnP"
    "QR*jo&7I9L5Ot$&T<C;LowU=>gj2Xy1VJ3`7usnDYjdnKXU?2er`;;&xH$98E|~73BGE83<L056?TUI=uNpXf&06%NH@@pp>`#^cQaiCuewrQa"
    "=FOY87`J8JL7d{Qy}q~cy6yhnrAH%*=OapzoS8^?$l%UQEPX8RU(A0(PoB_I6=~0;J?DEtd8u7TM@L=<iyGF5DJ|?BInvyE{d#M0Myo%rz#qv<"
    "OmFm;ejJH3Hg5=4Re7gPi!_A%m92M@BazlS9*@`SO)dz|-?V9aZEfv0k+$|brAsPX^QuGThv*-QXU}~8(4l$FO`#ayt5-u?eM19lw@2z5T7sd{"
    "^2o{Sas7g&k-NE}NJBxmKCdWLcEX#SRuC**zbmruX#1VJl~py7)_aZqNn2~*scdTZX9q)}nwqw>aB}jdnn+t?L9nsQh`_rQy(+!aJfWF21N<8z"
    "jU~rJ1(AY^?g`1k>TeoPrTK>C%?VYWzJBjfT48bX_&}flyYfvnwat;1*3>j#X+vXPpkV&iGH=F++(3Exj@s7t_RHR?lV<{5y(6;U3YM;ov~(1<"
    "r3SGpFR!Sqxtut?&6^u)o)!qc+m`CfF2p`izIJ;<!>O}<LO$&KYP)kU82Vz%*6Om-MsFlFHLsw0M5wU&K-<B*c;7(3KNtIq<g)d6jorEGosmd="
    "<B^t@6RoXn*q`OQC(d}i@o8!4KA+F;&(6Uc=V#6>4C2iVOUs#xz)hRC*3{H&-?b+ai8LH+Y;0<3X*ql8a-h`bNlx&_C#LoE5nliw1(cUJl^WnM"
    "y`Z3AW?@lLaDEBdF0o;0Sy}n&inVKry4A|fTdQkow(Y`hQNwptbR4#+x#eVQ+u3s$vFC9&UIhZdAa>EMN1k`cjPe}n=}VpJhP`wpPGwN%_^^MT"
    "A>2!+h`&Ihr;r#3ni0d*hQIQW(?R2?0im&qzQ$hq<Np?7C)UKq#>Gm^5tUYfzgja~al9x;H=rrXgGV!^rjdS1e`EsolEwXqkNw<C;&tH*(frah"
    "uQxqUVbo-T%F&cQ#Y<$lY0~C3EuSQHpAA{Zp5CDG27RLGvo?CY%U?=<bh_IAP@k6D&<J&@<?6oZJg>JNavZ8!d7x>k3aH_#Ey8K5Qxc^Npik5#"
    "sS}VJ+A5(+_h46Jq^LAHC1tSa%qxPivc4Vw=b2M}=Z~H>*CuPPuF3pyyXNYtTQ2|)eWH$<=qnoW+Z$FNo^*3?W(mjjmGlpLGE;f>u-Xa4iTzEt"
    "n*Z)1xuM656k-JO04M|1>8s|#L-1FLvKK)!k&U)S`=^$pdk?YGMsydLY`KA7YtRnk29&E&kzpyBY1+e`Fbh14#-TgdFK`!os`(0jkonj(h|dR)"
    "fgeh|e#$@d5cRf_of9t_7B4N+Q0xHtvZ0*?nin4>Ojt2+%BmUueTQ3VL^K#^@70ggCd*2rAk>f2BfIm;QOBkQ4QtSjifA*`j1?bH#wZ#qZych<"
    "cnNXiGdb@~5Xzn)mes?|eJR5sE^{x>3F_f58j@W7GErg+j21mWYh-|?I8ZhGTAPY|DPyG8-e@q*Vh7Cq!on~An0GE(J%b=<x01<xuv?teK>L6?"
    "s}1NbK<wGB#h3Y}qM5F>LFocj_T4si7nyK5nf$UcDYGS2&4xF}6mxkDUO3iC7pYBD`w1gWy*XE)FWHE_><}!1Q%SHM4u2zD8>fLA*JJt7hA_mP"
    "Hd=XQl~HhqW*WOU4_=cgU$t0SI`^HaQkQy(y-b$<I=Q-c0y<C$ybUF~EC5<4Wf7ug8zcwRQb+_W2HgctkdN*H(in6Xpmmp>$sH%%m`Le)Q@{RD"
    "^S_0#gYHh@ZK;!4PAVq@_JT{diT0f`mh-I8Wu=)`@x9{^#o9l$1Z|O(F{3QHpuM@#Ynyn>uX?K;=zWkZ?k-|QQ+O+jHEu3e5LaO(59jpH8o$Pe"
    "B5RST_K}2jPVuoF@UfTcZIHYkZS&S;Ho6PsT~K%Ng9@9~_50LXXlZ*V_lJ{K)VtM2T--+1Cd4gH$$c=$dvCML)mnd*TdY(FI&&+6AO@*MOjUy*"
    "PPNS-+cnGGZiI>YK7EJsB{Unb!$LdF6)^eh?~=0{=rhCAMuE@4!m1R7&1U{JIPaQWqbT5roAHH=J(_(9;-^p4>9-MZUa9P7e5KJ|+SjhLUUbek"
    "ly4P85JaC4x(l2ofbIgsy{bTG?z6)+?mP7e!nYmW1(v!?zS*zI0cZ_K=ky(vgD&#DTQnkwA$-K^AJjR-<v*m$kGA=r12j3^cIVxs!>SxX)H#YE"
    "Ciux|nh~oUgEXUp|Ne1C3*rDitFEY7#br+*j&Kr@^Rw6~X{~1ax)niO=ogEfMhwwrh2d?{?hN1AXw&XeE$+CP=Y)QhbKWEu5LvgtXJ53|Z$Otc"
    "xQrO%F7|Ro!mKMUca`TF;w-<*nu-0R{h`Kn#3lZ8mA|yOfdKpsbdz<<P`5jsI|!oFT?8@CQ=6{$A1&@#?Y_Lh_wDdN(L>E1L3`{%{}TR#_KJM-"
    "g!WX8XU2FgIzxjO0x#XH1LPHi*Id2~k0*OfO8Ev4B_^gzmsm_3N7t_1x^*XcO%hK@NF*e^K}wdEg6ly^m69gZ3)7pF&ghHj*RQ{n0i=O^K3ina"
    "{B|2OXwcvxnT(;zh8b=+-w4%4QnDzcMrBLM)o1kRF_f{SaeU)x6DH&-m`IvLn!=HvKXvNVX(9m&P3N0|v2x$J^7?IRy*6<5wZTi21-p%1znxgP"
    "h?KK(ligA|lief9Uk&M=wT5<YXX0;8TDELCv)M?vbO^l1#hQ&FynP?!HVwt47@!pqg8BS<M$>a9fUBJJ3^&ObW@IkhpjYc=O<FVePI<(e#Dp@L"
    "iD4>-X%&T;fkotiA#!#PJNU-66KxC~GeGw{!*|AldrOUN-6I<Dm`*l`rYX&hK59EA@X~$FrQgsc#y?wAD66_WQFkfa8Tm3My6lEq3B#$nfT@@e"
    "r_NPoakXV%$*dYTGsH>PxHbIE#24ux+e18HL_~j{J$ufNKfHP!8$RL7&n+KV8xG*HgIFp&5TBHsoSKFmS7XP{)L|=jyoetnvIlM>M&Jijd3jR<"
    "<WqOzxi|l5aq;}ci#gB8-l3k?ykCJmWgwmsV1JSEKexmmQ~J-`j@ob?=Qn3P_IvKTgXFK6qu38K^)q=A@RN4B?czo3v4sEEvUl=7&+zZ{)nt#N"
    "7>-!6IKFPQ?kqFnD#4%;Q5jYO6`<jTX_6JB@M1Nx@fsOvGJ29Y!5yx2fxfJMwEhqVa14~=i#{0u)&`?UgNJZpQjl>e^Wsxx1-djwy9_asBMWF0"
    "E?ZhoPL9?X8XHAp;%LG^nkb-#htzO+DsTgAlK_D>fP5S%`et7&PChgTGJ{dzFfy?{m3UD=(i|9bb;SXBir@uZ?`<i?(&lrONLa97!NP_77~^7s"
    "D<X~d1{Jx{#pP0q)Ws{#A@@j|5o{DJ^<}s7%B|vsUP=2AXj7;;>oY&m9;MW_gid<n+9TP(C3ugNLwD#nZx4vN^%vZj=x*r^3L16{2u8efXR}KV"
    "N9WE9?>wWx_n9%Yb-#|mkg_uc9X%Y6nVbfgLZ)#HmWgAWw2jLl$F`U>6vUvJ6!hGMPS6T(Nh7wZ{#vFXlnqV`x&n1{^htDm8Q!9#sl5o?GQ#PB"
    "5OgR+T`9P*7?)q0N)(aO<(70EC0##>7cat9AJSEQuV26Rc)EA*o|xLVEcd+w9^L3bbr)PLSe$~cBvBX}!0SfwFcN5q(vkq)5KC5;BBCRnZbaN&"
    "6oChY;rocg@BMhR2Hbs!3$p??WeBvT69x?$Ja`B|riLVg1t|fO(*z@>@q_=e;eSy!AlEjdDe|Sc@&svyJR|V350eQ~Amvke2+A~d0-c{s&clg$"
    "5AEp^mgXc0ktUf9pCp-E*qLa|*mR=QjlLvLF^u`}O5~C0Ai^S9WP&J!IHTHKM-FQlMv$|@vsU7~6;PQTmekktlU{h*i@+ql)~r#ixL5QcWvw<J"
    "(bmcNSc(DpG;Kbie9BX4v?_yb+z8c#ut{sDf{ZOvw%V^+7rQcq(n&(7oFU{Ec;0GvnN{Y7u96llf|lFFEU{Oa+EI+wUK)_?v};`@y<pF>)ot*L"
    "&`isVvOA>!3z`gB8f52|8$(x*kZUn4Tlrwc0s!zVd>0HKw{!}&aG0~+Nxp&!y)xru`Kep@^sVMDBfua?V+Ib&4e28$(gDWD*_>t-PA~$E^m!;8"
    "tV3i_pRn^}coSXZ6R70G6Hk{|VGc5ZNVuh>q@<>$;f+c}GATo5)CFt+p9r{TWsMR<n#U2r*{R|n>-6c<@pv5(auW|AC<+5YEyX2^7HK?|Cy#pd"
    "9F(r64jb3u2T>9SJH*ii@YsO&Y<oNPB$ap$8V>KlpYtg_r@^075P$WlrmjQeAH<`azeB=b_op<MqhP<MuwN|~h~E{=ZvpJ*Ui9;O>o)uI(SbeM"
    "x-pNll=%4g#Kgn|Jmu?6PCnOzO{(IV()9FnDg_G6XJ%mke5r%j$Kl}2Oy0wg&dcC~OLEw(29?4fatRM6O`23UWlDZw4W12<2#JG2$k;=2?mXgA"
    "n3OcHFdUYMXcCb=JT{lJKrzmgNJep1t`a;9SAT#%q{gpZw@z@}&v{&thpfy)iu*_+52JSM+_f7&z9}LOM26uvxUTLP{)kGGdN|c{o+@*nwNg)4"
    "lc)#TkNC5;BS%uPXFomh#~1OiqT2@X$I02;_IB)V&c)xz$H+C}A@b*q8_c8P-h)T~;=jY5zl821>;hMYK@?(en+a_xkPucu2<jZ<Y8tfm1WMH)"
    "FvSOb`Uooz`2Bwn6$sLee$L9T+m<5dOn@>V^=()No6bkeB%*WlWsTX4v0URBkrM`Hc;!;NO#arc+$<nN>ViJ7S+i!%o-ImN&NU$?=!_(v`gEHh"
    "kEWC-6E;>Yp`jd?A?Yhn@`}h_N#?K2O;Wu_Vlqukl1W`UNp0>(DNkf#f(VcSGBgXMF12Gw;>MW7jFVF+z{H6#BeIK=`OrF0%CK|@o&*78J=jFY"
    "w<Jep3yhgEbwECFFBz=2w2_Guu^0C==?v8$HmsM)!iC?=%4$<0?7*n`Dfjg;X$zhku@@0Ga(?dIujl2qrcn#bbhRuAscKL%dF7FK`wb^Tep718"
    "3R-I+-|nPxOh3~LC73JEi{?X)W9Ljc$9tlnrg3$V>}X<|mrUv!q61=NB#a;Tl8brC_SR6Ltv+lti;Z9n;6v>)fG!lj-@#oc?D#69I!ItcX~Ka{"
    "5}`BWn>9wWy%)-D7NRx@&SWM|+k^Fu4ZKzYiz8y9(MG}`n9hKg&4DgZY)e=bzF@%uRNvhhE5Rj(7V&2mtz5|qo~<&d#M`7nMuMVlHp~VYYExCJ"
    "%?Yu=#MHD0(#$NP)>~1nv1od;dPY}8+gs2qRi7+hhP;bLl^rwDH`tij9=2YX8zp1Qf*ny4Y*;<*ekN81J4Z-V=&CPh#st7%r>`4Zdis+LiOAG("
    "^NK;`DmzUNP(enLAcI42m6PW<K_Vh1BpVQd9#`|be4!)1ijj@V+`M^HLm)<VID-je5ChJi(4h$acymEGAr`hEN4ip{n|SWGCDTjT+8nAT2RK|r"
    "xe7-rFd;ExTU1}eiAkX07>ctp?2SbXk(qFzGYkQ_j4dn6=p}3r+u7(T5Te)vu#krs)F8Qd&5|M=C(bNjh7RzyuJOup=FT;$LEnkp_q>W6PNYIq"
    "akE4QiWTs~0L$2RZ~pQADq~x_t&I~10s`F0#tJLd)b(tOq5vun``Jnv8xQVf4&;Gd%Jv+Ao6#u@I`kGDd6P%nwK6`}UC=`G^YW`%#K-8)?Ax`a"
    "16IYsKNnmW0Mz5Ee3TE<i+cF5)J$GINA`f@`Qw@o+7;R_-LpdNG-SO;y9ucEYl12fU~8n7MQeiIN10%Nu$l4ZZJ^FqgCQIxEARgO`%HV}zyCcU"
    ";ubv5pT7`Iko`Zji)tt"
)


def radicals(characters: Iterable[str]) -> np.ndarray:
    """The radicals of n single characters, int64 [n]: 1 to 214, or 0 for what is no Han character."""
    codes = np.fromiter(map(ord, characters), np.int64)
    found = np.zeros(len(codes), np.int64)
    start = 0  # of a run in the table
    for first, end in BLOCKS:
        inside = (first <= codes) & (codes < end)
        found[inside] = _table()[codes[inside] - first + start]
        start += end - first
    return found


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    """The radicals of all characters of the runs, one after the other: uint8."""
    return np.frombuffer(zlib.decompress(base64.b85decode(PACKED)), np.uint8)


__all__ = ["BLOCKS", "NUMBER", "radicals"]
