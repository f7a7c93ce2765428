//! Which measures of a memorandum apply to one matter at one agency. Pure: the answer rests on these few facts and on nothing else.

use credence_catalog::lists::ListKind;
use credence_catalog::measures::{Measure, Memorandum, Reach};

/// An entry as far as it decides which measures it brings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    /// Kind of its list.
    pub kind: ListKind,
    /// Whether its procedure was run here; then it brings what the subject was told, and nothing else.
    pub native: bool,
    /// Codes of the measures the subject was told.
    pub measures: &'a [String],
    /// Whether the record under it stands.
    pub stands: bool,
    /// Whether the asking agency lies in the line of its division: in it, above it or within it.
    pub near: bool,
}

/// The case in hand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    /// Kind of the agency that asks.
    pub agency_kind: &'a str,
    /// Its administrative matter.
    pub matter: &'a str,
}

/// Measures of a memorandum in force, under which a joint action was started, that apply to the case, in the memorandum's order. `measure` gives
/// a measure in force by its code. A watch list brings none, ever; nor does a ground that does not stand.
pub(crate) fn applicable<'m>(
    ground: &Ground<'_>,
    case: &Case<'_>,
    memorandum: &'m Memorandum,
    measure: impl Fn(&str) -> Option<&'m Measure>,
) -> Vec<&'m Measure> {
    let reached = ground.near || memorandum.reach == Reach::Everywhere;
    if !ground.stands || !reached || matches!(ground.kind, ListKind::Watch) {
        return Vec::new();
    }
    let named = memorandum.measures.iter().filter_map(|line| {
        let found = measure(&line.measure)?;
        let addressed = line.kinds(found).iter().any(|kind| kind == case.agency_kind);
        let touched = found.matters.iter().any(|matter| matter == case.matter);
        let told = !ground.native || ground.measures.contains(&found.code);
        (addressed && touched && told).then_some(found)
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    static KINDS: [&str; 3] = ["market_regulator", "housing", "finance"];
    static MATTERS: [&str; 3] = ["招标投标", "资金补贴", "评先评优"];
    static CODES: [&str; 4] = ["m1", "m2", "m3", "m4"];

    fn texts(of: &[&str]) -> Vec<String> {
        of.iter().map(|t| (*t).to_owned()).collect()
    }

    fn measure(code: &str, kinds: &[String], matters: &[String]) -> Measure {
        serde_json::from_value(json!({
            "code": code, "name": code, "name_en": code, "heading": "x", "class": 1, "direction": "sanction", "content": "x", "legal_basis": ["x"],
            "department_kinds": kinds, "matters": matters, "mandatory": true, "continuing": false, "state": "active", "verified": true,
            "effective_from": "2020-01-01", "effective_to": null, "note": null
        }))
        .unwrap()
    }

    fn memorandum(reach: &str, lines: &[(String, Option<Vec<String>>)]) -> Memorandum {
        let lines: Vec<_> = lines.iter().map(|(code, kinds)| json!({ "measure": code, "department_kinds": kinds })).collect();
        serde_json::from_value(json!({
            "code": "memo", "name": "x", "name_en": "x", "document_no": null, "lead_kinds": [], "lists": ["black"], "objects": "x", "automatic": true,
            "reach": reach, "measures": lines, "legal_basis": ["x"], "state": "active", "verified": true, "effective_from": "2020-01-01",
            "effective_to": null, "note": null
        }))
        .unwrap()
    }

    fn codes(ground: &Ground<'_>, case: &Case<'_>, memorandum: &Memorandum, known: &[Measure]) -> Vec<String> {
        applicable(ground, case, memorandum, |code| known.iter().find(|m| m.code == code)).into_iter().map(|m| m.code.clone()).collect()
    }

    #[test]
    fn each_condition_alone_decides() {
        let known = [measure("m1", &texts(&["housing"]), &texts(&["招标投标"]))];
        let memo = memorandum("lineage", &[("m1".to_owned(), None), ("gone".to_owned(), None)]);
        let told = texts(&["m1"]);
        let ground = Ground { kind: ListKind::SeriousDishonesty, native: true, measures: &told, stands: true, near: true };
        let case = Case { agency_kind: "housing", matter: "招标投标" };
        assert_eq!(codes(&ground, &case, &memo, &known), ["m1"]);
        let none = Vec::<String>::new();
        assert_eq!(codes(&Ground { stands: false, ..ground }, &case, &memo, &known), none, "the ground is questioned");
        assert_eq!(codes(&Ground { kind: ListKind::Watch, ..ground }, &case, &memo, &known), none, "a watch list brings nothing");
        assert_eq!(codes(&Ground { measures: &[], ..ground }, &case, &memo, &known), none, "the subject was not told");
        assert_eq!(codes(&Ground { measures: &[], native: false, ..ground }, &case, &memo, &known), ["m1"], "a mirror brings all");
        assert_eq!(codes(&Ground { near: false, ..ground }, &case, &memo, &known), none, "an agency elsewhere");
        assert_eq!(codes(&ground, &Case { agency_kind: "finance", ..case }, &memo, &known), none, "another department");
        assert_eq!(codes(&ground, &Case { matter: "资金补贴", ..case }, &memo, &known), none, "another matter");
        assert_eq!(codes(&ground, &case, &memo, &[]), none, "a measure out of force");
        let everywhere = memorandum("everywhere", &[("m1".to_owned(), None)]);
        assert_eq!(codes(&Ground { near: false, ..ground }, &case, &everywhere, &known), ["m1"]);
        let narrower = memorandum("lineage", &[("m1".to_owned(), Some(texts(&["finance"])))]);
        assert_eq!(codes(&ground, &case, &narrower, &known), none, "the memorandum names fewer departments");
    }

    fn some(of: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
        prop::sample::subsequence(of, 0..=of.len()).prop_map(|texts| texts.into_iter().map(str::to_owned).collect())
    }

    /// The same, said measure by measure in the plainest words.
    fn oracle(ground: &Ground<'_>, case: &Case<'_>, memo: &Memorandum, known: &[Measure], code: &str) -> bool {
        for line in &memo.measures {
            if line.measure != code {
                continue;
            }
            for measure in known {
                if measure.code != code {
                    continue;
                }
                let by_memorandum = line.department_kinds.as_ref().is_none_or(|kinds| kinds.contains(&case.agency_kind.to_owned()));
                let by_measure = line.department_kinds.is_some() || measure.department_kinds.contains(&case.agency_kind.to_owned());
                let matter = measure.matters.contains(&case.matter.to_owned());
                let told = if ground.native { ground.measures.contains(&code.to_owned()) } else { true };
                let place = if memo.reach == Reach::Everywhere { true } else { ground.near };
                if by_memorandum && by_measure && matter && told && place && ground.stands && ground.kind != ListKind::Watch {
                    return true;
                }
            }
        }
        false
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_plainest_reading(
            kinds in prop::collection::vec(some(&KINDS), 4),
            matters in prop::collection::vec(some(&MATTERS), 4),
            in_force in some(&CODES),
            lines in prop::collection::btree_map(prop::sample::select(&CODES[..]), prop::option::of(some(&KINDS)), 0..5),
            told in some(&CODES),
            kind in prop::sample::select(vec![ListKind::Commendation, ListKind::SeriousDishonesty, ListKind::JudgmentDefault, ListKind::Watch]),
            flags in any::<[bool; 4]>(),
            agency_kind in prop::sample::select(&KINDS[..]),
            matter in prop::sample::select(&MATTERS[..]),
        ) {
            let [native, stands, near, everywhere] = flags;
            let all = CODES.iter().zip(kinds.iter().zip(&matters)).map(|(code, (kinds, matters))| measure(code, kinds, matters));
            let known: Vec<Measure> = all.filter(|m| in_force.contains(&m.code)).collect();
            let lines: Vec<_> = lines.into_iter().map(|(code, kinds)| (code.to_owned(), kinds)).collect();
            let memo = memorandum(if everywhere { "everywhere" } else { "lineage" }, &lines);
            let ground = Ground { kind, native, measures: &told, stands, near };
            let case = Case { agency_kind, matter };
            let expected: Vec<String> =
                lines.iter().map(|(code, _)| code.clone()).filter(|code| oracle(&ground, &case, &memo, &known, code)).collect();
            prop_assert_eq!(codes(&ground, &case, &memo, &known), expected);
        }
    }
}
