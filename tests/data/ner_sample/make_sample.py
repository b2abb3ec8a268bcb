"""Write a small labelled Chinese named-entity sample: train.jsonl, dev.jsonl and test.jsonl.

Every sentence is a hand-written pattern with its slots filled from the hand-written lists below; nothing comes from a
corpus. Patterns and fillers are both divided between the splits, so that in dev and test about four names in ten, and
the patterns of some sentences, do not occur in training. The same seed always gives the same bytes.
"""

import argparse
import json
import random
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

SEED = 0
SIZES = {"train": 1500, "dev": 120, "test": 120}
PLAIN_RATE = 0.1  # share of sentences that hold no entity
OWN_PATTERN_RATE = 0.15  # dev and test: share of sentences whose pattern is never used in training
KNOWN_FILLER_RATE = 0.6  # dev and test: share of slots filled from the training list
SLOT = re.compile(r"\{([A-Z]+)\}")
Slots = dict[str, tuple[str, dict[str, list[str]]]]  # slot name -> its label and split -> its fillers

# One list a line: label, slot name, fillers. The slots labelled "-" are filled, but they are not entities.
FILLERS = """
PER PER 陈思远 林晓峰 周雅琴 赵立恒 孙佳怡 吴海涛 郑文博 王若溪 冯子涵 褚建平 卫国梁 蒋慧敏 沈亦舟 韩春梅 杨一凡
PER PER 朱启明 秦雨桐 许志坚 何静怡 吕承泽 施念慈 张慕云 曹向东 严书瑶 华景行 金婉清 魏长河 陶乐然 姜思齐 戚少轩
PER PER 谢明朗 邹佩玲 喻诗涵 柏云帆 章若谷 苏晚晴 潘振宇 葛秋实 范小雨 彭家树 鲁大川 韦俊安 马淑芬 苗青青 方致和
PER PER 任可欣 袁志成 罗佳宁 毕胜楠 郝万里 安子墨 常乐怡 于沛然 傅明哲 康小禾 顾言之 孟繁星 黄巧玲 穆青山 萧一鸣
PER PER 尹秀兰 姚学谦 邵启航 汪雪莹 祝书恒 廖梦琪 江远志 温知夏 龚立新 程雨薇 贺兰舟 齐晓曼 文嘉树 易小满 庄念远
PER PER 柴玉珍 瞿承志 阎若冰 古月明 翟永康 李芊 王磊 张岑 刘铮 赵楠 周锐 吴桐 何芮 高岩 林珂 徐朗 胡蕾 郭颖 梁栋 宋卉
PER PER 谢婷 韩默 曾琪 蔡勉 潘玥 田禾 杜衡 丁琛 薛敏 叶岚 余航 夏芸 钟岳 石砚 崔博 段瑜 侯颂 邱雯 白帆 孔祥 陆遥 卢婧
PER PER 冯越 欧阳清 欧阳子墨 司马晴 司马文轩 上官静 诸葛明川 慕容雪 慕容宇 东方婷 皇甫毅 尉迟海 令狐远 夏侯琳 公孙启
LOC CITY 北京 上海 广州 深圳 杭州 南京 珠海 成都 重庆 武汉 西安 长沙 郑州 济南 青岛 沈阳 大连 哈尔滨 长春 合肥 福州
LOC CITY 厦门 南昌 昆明 贵阳 南宁 桂林 太原 石家庄 兰州 银川 天津 宁波 温州 无锡 徐州 洛阳 宜昌 烟台 泉州
LOC DIST 朝阳区 海淀区 天河区 福田区 渝中区 武侯区 雁塔区 江汉区 岳麓区 思明区 市南区 沈河区 姑苏区 历下区 南岗区
LOC DIST 云岩区 五华区 余杭区 顺德区 浦东新区 安吉县 德清县 婺源县 阳朔县
LOC HILL 泰山 华山 衡山 恒山 嵩山 黄山 庐山 峨眉山 武夷山 青城山 雁荡山 三清山 武当山 九华山 天目山 莫干山 崂山 梵净山
LOC WATER 长江 黄河 赣江 湘江 汉江 嘉陵江 闽江 松花江 黄浦江 钱塘江 漓江 淮河 渭河 太湖 西湖 洞庭湖 东湖 玄武湖
ORG CO 蓝鲸科技 青禾农业 远帆物流 星桥软件 云杉传媒 北辰机械 麦田食品 木棉服饰 银杏制药 极光汽车 松果教育 白鹭航空
ORG CO 长风能源 琥珀珠宝 岭上茶业 微澜游戏 桐叶出版社 石榴家居 锦程地产 赤狐网络 千帆集团 瀚宇电子有限公司
ORG CO 恒岳建设集团 风铃音乐 灯塔数据 沐光医疗 川流智能 飞鱼影业 海棠酒店 竹溪乳业 鼎新钢铁厂 双桥纺织厂 候鸟旅行社
ORG SHOP 柠檬树超市 大象百货 红杉商城 橙子优选 鹿角数码 小满生活馆 邻里便利店 万家灯火超市 星期八百货 蜜罐商城
ORG SCH 江城第三中学 云岭小学 青石桥小学 望海中学 南屏实验学校 临溪一中 枫林外国语学校 东篱小学 明德路小学 白塔中学
ORG SCH 柳湾镇中心小学 启航实验小学 双溪第二中学 凤鸣高级中学 红叶小学 清河湾中学 沙洲七中 石榴园小学
ORG UNIV 江城理工大学 南屏师范学院 云岭大学 望海大学 临溪医科大学 白塔工业学院 青岚农业大学 凤鸣艺术学院
ORG UNIV 枫林外国语大学 沙洲财经大学 远山科技大学 蓝湾音乐学院
ORG HOSP 江城第二人民医院 云岭儿童医院 望海中心医院 柳湾镇卫生院 临溪中医院 南屏妇幼保健院 白塔骨科医院 青岚口腔医院
ORG HOSP 康宁桥医院 双溪第一医院 枫林眼科医院 惠民康复医院
ORG TEAM 江城飞鹰队 望海蓝鲨队 云岭雪豹队 南屏火狐队 临溪猎豹俱乐部 白塔风暴队 青岚骑士队 沙洲骆驼队 枫林烈焰队
ORG TEAM 双溪闪电队 凤鸣雄狮俱乐部 柳湾渔夫队 蓝湾海豚队 石桥铁人队 远山苍狼俱乐部 星河银翼队
ORG MEDIA 江城晚报 望海日报 云岭电视台 南屏新闻网 临溪广播电台 青岚早报 白塔周刊 双溪商报 蓝湾卫视 远山通讯社 枫林时报
ORG GROUP 绿芽公益基金会 江城志愿者协会 望海作家协会 云岭摄影学会 青岚马拉松协会 晨光慈善总会 飞羽观鸟会
ORG GROUP 南屏书法家协会 萤火助学基金会 临溪商会 白塔围棋协会 远山户外联盟
- DAY 昨天 昨晚 前天下午 上周六 上周日 今天早上 3月12日 周三晚上 10月6日
- NEXT 明天 后天 下周一 下周三上午 周五下午 大后天 5月20日 本周日 11月8号
- NUM 8 12 15 18 20 24 25 30 36 40 45 48
- FOOD 牛肉面 豆花 米粉 凉皮 馄饨 酸辣粉 羊肉汤 汤圆
- THING 耳机 键盘 运动鞋 台灯 雨伞 保温杯 背包 电饭煲
"""

PATTERNS = """
据{MEDIA}报道，{DAY}一场大雨让{CITY}多条道路临时封闭。
{CO}{DAY}宣布，将在{CITY}新建一座研发中心。
{CO}董事长{PER}表示，公司今年会新增{NUM}个岗位。
{DAY}，{PER}出任{CO}总经理，接替即将退休的{PER}。
受冷空气影响，{CITY}和{CITY}都刮起了大风，最低气温降了近十度。
{MEDIA}记者{PER}走访了{DIST}的三家菜市场，发现菜价普遍回落。
{WATER}水位持续上涨，沿岸的步道已经临时关闭。
{GROUP}向{SCH}捐赠了{NUM}台电脑。
一支登山队{DAY}在{HILL}迷路，所幸{NUM}名队员全部获救。
{PER}当选{GROUP}新一届理事，任期三年。
{DIST}{DAY}发生一起交通事故，没有造成人员伤亡。
“我们不会裁员。”{CO}发言人{PER}对{MEDIA}说。
国庆第一天，到{HILL}看日出的游客比去年同期多了{NUM}%。
{PER}，你到{CITY}了吗？到了给我回个消息。
刚才{PER}打电话说晚上不来吃饭了😂
你还记得{PER}吗？就是以前在{SCH}教我们数学的那位老师。
我和{PER}约好{NEXT}去{WATER}边骑车，你要不要一起？
哈哈哈，{PER}又把{PER}的名字喊错了！
谁有{PER}的电话？急用，在线等！
{CITY}这两天热得像蒸笼🥵，空调一刻都不敢关。
听说{PER}跳槽去了{CO}，工资涨了一大截。
生日快乐，{PER}！🎂愿你新的一岁顺顺利利。
妈，我已经到{CITY}了，{PER}来接的我，你放心吧。
别等了，{PER}堵在{DIST}，起码还要{NUM}分钟。
我们{DAY}从{CITY}坐高铁去了{CITY}，一路上聊个不停。
飞往{CITY}的航班因为大雾晚点了{NUM}分钟。
第一次爬{HILL}，走到半山腰腿就软了。
{PER}在{WATER}边支起帐篷，准备拍一晚上星星。
从酒店走到{WATER}只要{NUM}分钟，晚上可以看夜景。
{CITY}的{FOOD}太好吃了，我一个人吃了两碗。
导游{PER}提醒大家，{HILL}山顶风大，记得多带一件外套。
这趟车途经{CITY}、{CITY}和{CITY}，中途不用换乘。
爸妈退休后搬到了{DIST}，离我家不到{NUM}公里。
去{CITY}出差的话，帮我带两盒特产回来吧。
请{PER}在{NEXT}之前把合同扫描件发到我的邮箱。
{PER}在{CO}做了八年会计，{DAY}刚升主管。
我收到了{CO}的offer，{NEXT}去{CITY}报到。
客户那边由{PER}负责对接，PPT请{PER}再改一版。
{CO}在{DIST}招聘前台，月薪面议，包午餐。
会议纪要：参会人有{PER}、{PER}、{PER}，主持人为{PER}。
{CO}的系统又崩了，{PER}半夜两点还在改bug。
面试官是{PER}，光项目经历就问了我{NUM}分钟。
{CO}把仓库从{CITY}搬到了{CITY}，运费省了不少。
{PER}今年考上了{UNIV}，全家人都高兴坏了。
{SCH}的运动会{NEXT}举行，{PER}报了四百米。
{UNIV}教授{PER}的公开课座无虚席，连走廊里都站满了人。
我儿子在{SCH}读书，班主任叫{PER}。
{SCH}和{SCH}联合举办了一场诗歌朗诵会。
放学以后，{PER}总在{SCH}门口等妹妹。
听说{UNIV}今年在{CITY}只招{NUM}个人，竞争很激烈。
{PER}同学，请到教务处领取你的学生证。
{UNIV}毕业的{PER}如今回到{SCH}，当上了体育老师。
{TEAM}以三比一战胜{TEAM}，提前一轮锁定冠军。
{PER}最后一分钟破门，帮助{TEAM}扳平了比分。
{TEAM}主教练{PER}赛后说，年轻球员还需要时间。
{PER}在{CITY}跑完了人生第一个全程马拉松，用时4小时{NUM}分。
{DAY}的比赛里，{PER}替补出场，一个人为{TEAM}拿下{NUM}分。
{TEAM}官宣：{PER}租借加盟，合同为期一年。
没抢到票，只能在家看{TEAM}的直播了😭
在{SHOP}买的{THING}用了三天就坏了，客服还不理人。
{SHOP}今天满200减{NUM}，{THING}终于可以下单了。
{PER}在{DIST}开了一家花店，开业当天全场八折。
这件外套是{PER}从{CITY}带回来的，听说只花了{NUM}0块。
收件人：{PER}；数量：{NUM}；备注：放{SHOP}代收。
{PER}{DAY}在{HOSP}做了检查，结果一切正常。
带孩子去{HOSP}看了看，{PER}医生让我们不用太担心。
{HOSP}的号太难挂了，我刷了{NUM}分钟才抢到。
{GROUP}{NEXT}在{WATER}边组织捡垃圾活动，欢迎报名。
{PER}加入{GROUP}已经十年了，几乎每个周末都参加活动。
邻居{PER}养的猫跑丢了，最后有人在{DIST}找到了它。
{PER}写的那篇游记让我特别想去{HILL}看看。
{MEDIA}新开的美食栏目请来了{PER}当主持人。
"""

PLAIN_PATTERNS = """
{DAY}的雨下得真大，我的鞋都湿透了。
这家店的{FOOD}一碗卖{NUM}块钱，味道还不错。
{NEXT}记得带伞，天气预报说有雷阵雨。
快递已经放在门口了，里面是你要的{THING}。
{DAY}收到录取通知，我高兴得一晚上没睡着。
这本书我才看到第{NUM}页，就已经猜到结局了。
手机只剩{NUM}%的电了，谁带了充电宝？🔋
楼下新开了一家健身房，办卡{NUM}天内可以退。
黄昏时分，江边的路灯一盏一盏亮了起来。
医生说每天走{NUM}分钟就够了，不必非去爬山。
会议改到{NEXT}了，麻烦大家互相转告一下。
老师让我们{NEXT}之前交作文，题目自拟。
想买{THING}，预算{NUM}0元左右，大家有推荐吗？
"""


class Entity(TypedDict):
    """Character offsets, the end exclusive, and a label."""

    start: int
    end: int
    label: str


class Row(TypedDict):
    """One sentence and its entities."""

    text: str
    entities: list[Entity]


def divide(items: Sequence[str], held_out: float, rng: random.Random) -> dict[str, list[str]]:
    """Shuffle items and divide them into train, dev and test; held_out is the share that dev and test each get."""
    mixed = list(items)
    rng.shuffle(mixed)
    each = round(len(mixed) * held_out)
    return {"train": mixed[2 * each :], "dev": mixed[:each], "test": mixed[each : 2 * each]}


def read_slots(rng: random.Random) -> Slots:
    """Read FILLERS and divide the fillers of every entity slot between the splits; none may be listed twice."""
    table: dict[tuple[str, str], list[str]] = {}
    for line in FILLERS.strip().split("\n"):
        label, name, *fillers = line.split(" ")
        table.setdefault((label, name), []).extend(fillers)
    every = [filler for fillers in table.values() for filler in fillers]
    if len(set(every)) != len(every):
        raise ValueError("a filler is listed twice")
    return {key[1]: (key[0], divide(words, 0 if key[0] == "-" else 0.25, rng)) for key, words in table.items()}


def fill(pattern: str, split: str, slots: Slots, rng: random.Random) -> Row:
    """Fill every slot of a pattern, with no entity twice, and note where the entities lie.

    Raises:
        ValueError: If an entity's offsets do not give back its filler.
    """
    text, last = "", 0
    entities: list[Entity] = []
    used: list[str] = []
    for match in SLOT.finditer(pattern):
        label, fillers = slots[match[1]]
        source = "train" if label == "-" or rng.random() < KNOWN_FILLER_RATE else split
        filler = rng.choice([item for item in fillers[source] if item not in used])
        text += pattern[last : match.start()]
        if label != "-":
            entities.append({"start": len(text), "end": len(text) + len(filler), "label": label})
            used.append(filler)
        text += filler
        last = match.end()
    text += pattern[last:]
    if [text[entity["start"] : entity["end"]] for entity in entities] != used:
        raise ValueError(f"offsets do not match the fillers in: {text}")
    return {"text": text, "entities": entities}


def make_sample() -> dict[str, list[Row]]:
    """Compose all three splits; no text occurs twice in or across them."""
    rng = random.Random(SEED)
    slots = read_slots(rng)
    patterns = divide(PATTERNS.strip().split("\n"), 1 / 6, rng)
    plain = divide(PLAIN_PATTERNS.strip().split("\n"), 1 / 6, rng)
    seen: set[str] = set()
    sample: dict[str, list[Row]] = {split: [] for split in SIZES}
    for split, rows in sample.items():
        while len(rows) < SIZES[split]:
            kind = plain if len(rows) < SIZES[split] * PLAIN_RATE else patterns
            row = fill(rng.choice(kind[split if rng.random() < OWN_PATTERN_RATE else "train"]), split, slots, rng)
            if row["text"] not in seen:
                seen.add(row["text"])
                rows.append(row)
        rng.shuffle(rows)
    return sample


def main(argv: Sequence[str] | None = None) -> None:
    """Write the three files into the folder named on the command line, or next to this script."""
    parser = argparse.ArgumentParser(description="Write the named-entity sample.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    folder = parser.parse_args(argv).folder
    folder.mkdir(parents=True, exist_ok=True)
    sample = make_sample()
    for split, rows in sample.items():
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
    entities = sum(len(row["entities"]) for rows in sample.values() for row in rows)
    sys.stdout.write(f"{sum(map(len, sample.values()))} sentences, {entities} entities\n")


if __name__ == "__main__":
    main()
