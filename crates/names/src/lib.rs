//! Names of organisations and people in Chinese. For now: the one normal form in which two writings of the same name are equal.

use unicode_normalization::UnicodeNormalization;

/// The form in which names are compared and matched; the original is always kept beside it.
///
/// NFKC, every kind of bracket becomes `()`, spaces and middle dots go, Latin letters become capitals.
pub fn normalise(name: &str) -> String {
    name.nfkc()
        .filter_map(|c| match c {
            '（' | '〔' | '[' | '【' | '［' | '﹝' => Some('('),
            '）' | '〕' | ']' | '】' | '］' | '﹞' => Some(')'),
            '·' | '•' | '・' | '‧' | '∙' | '⋅' | '●' | '▪' => None,
            c if c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}') => None,
            c => Some(c),
        })
        .flat_map(char::to_uppercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn writings_of_one_name_are_equal() {
        for (a, b) in [
            ("腾讯科技（深圳）有限公司", "腾讯科技(深圳)有限公司"),
            (" 廊坊市 abc 有限公司\u{3000}", "廊坊市ＡＢＣ有限公司"),
            ("阿卜杜拉·买买提", "阿卜杜拉•买买提"),
        ] {
            assert_eq!(normalise(a), normalise(b));
        }
        assert_ne!(normalise("宏达建材"), normalise("永胜建材"));
    }

    #[test]
    fn the_normal_form_is_stable() {
        for name in ["腾讯科技（深圳）有限公司", "ﬀi", "①②", "ß有限公司"] {
            assert_eq!(normalise(&normalise(name)), normalise(name));
        }
    }
}
