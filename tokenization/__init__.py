"""Text to ids: tokenizers and pinyin. Imports tokenizers, pypinyin, transformers and its own siblings."""
