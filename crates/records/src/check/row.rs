//! The row as a whole: required fields, dates that must fit each other, the record's state, whom it is about.

use super::read::Run;
use super::{Basis, KnownAgency, Value};
use crate::cell::{self, Cell};
use crate::header::{Header, Target};
use crate::model::Severity;
use chrono::NaiveDate;
use credence_catalog::model::{RecordState, Role};
use credence_catalog::{Feed, SubjectKind};
use credence_core::identifiers::uscc::Uscc;
use credence_core::identifiers::{OrganisationCode, PersonDocument, PersonDocumentKind, RegistrationNumber};
use credence_names::normalise;
use credence_subjects::matching::{Identified, SubjectRef};
use std::collections::HashMap;

impl Run<'_> {
    pub(super) fn required(&mut self, required: &[bool], exempt: &[bool], values: &[Option<Value<'_>>]) {
        for (at, field) in self.item.fields.iter().enumerate() {
            let given = values.get(at).is_some_and(Option::is_some);
            if given || self.issues.iter().any(|i| i.field == field.code) {
                continue;
            }
            if required.get(at).copied().unwrap_or(false) {
                self.error(
                    at,
                    "required",
                    "",
                    "必填项为空；请补充（「无」「/」等占位文字视为空）",
                    "a required field is empty; fill it (texts such as 无 or / count as empty)",
                );
                continue;
            }
            let Some(condition) = &field.required_if else { continue };
            if exempt.get(at).copied().unwrap_or(false) {
                continue;
            }
            let other = self.item.fields.iter().position(|f| f.code == condition.field);
            let text = other.and_then(|o| values.get(o)).and_then(Option::as_ref).map(Value::text);
            let triggered = text.is_some_and(|t| condition.contains.iter().any(|c| c == "*" || t.contains(c.as_str())));
            if triggered {
                let name = other.and_then(|o| self.item.fields.get(o)).map(|f| f.name.clone()).unwrap_or_default();
                let what = condition.contains.join("、");
                self.error(
                    at,
                    "required_if",
                    "",
                    format!("「{name}」含「{what}」时此项必填；请补充"),
                    format!("required because {} contains one of {what}", condition.field),
                );
            }
        }
    }

    pub(super) fn at(&self, role: Role) -> usize {
        self.item.fields.iter().position(|f| f.role == Some(role)).unwrap_or(usize::MAX)
    }

    pub(super) fn periods(
        &mut self,
        decided: Option<NaiveDate>,
        from: Option<NaiveDate>,
        to: Option<NaiveDate>,
        public_until: Option<NaiveDate>,
    ) {
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            let at = self.at(Role::ValidTo);
            self.error(
                at,
                "period_reversed",
                &to.to_string(),
                format!("有效期至早于有效期自（{from}）；请核对"),
                format!("the last day lies before the first ({from}); check both"),
            );
        }
        if let (Some(decided), Some(to)) = (decided, to)
            && to < decided
            && from.is_none()
        {
            let at = self.at(Role::ValidTo);
            self.warn(
                at,
                "period_before_decision",
                &to.to_string(),
                format!("有效期至早于决定日期（{decided}）；请核对"),
                format!("the last day lies before the decision ({decided}); check both"),
            );
        }
        if let (Some(decided), Some(until)) = (decided, public_until)
            && until < decided
        {
            let at = self.at(Role::PublicUntil);
            self.error(
                at,
                "publicity_before_decision",
                &until.to_string(),
                format!("公示截止期早于决定日期（{decided}）；请核对"),
                format!("the last public day lies before the decision ({decided}); check both"),
            );
        }
    }

    pub(super) fn state(
        &mut self,
        values: &[Option<Value<'_>>],
        header: &Header,
        cells: &[Cell],
        feed: Option<&Feed>,
    ) -> Option<RecordState> {
        for (column, target) in header.targets.iter().enumerate() {
            let Target::State(at) = target else { continue };
            let map = feed.and_then(|f| f.columns.get(*at)).and_then(|c| c.state_map.as_ref())?;
            let text = cells.get(column).map(|c| cell::compact(&c.text())).unwrap_or_default();
            if text.is_empty() {
                return Some(RecordState::Active);
            }
            let text = text.strip_suffix(".0").unwrap_or(&text);
            return match map.get(text) {
                Some(state) => {
                    if *state == RecordState::Unclear {
                        self.whole("state_unclear", Severity::Warning, text, format!("状态「{text}」含义不明，记录保存但不公示；请用新表式重报"), format!("the meaning of status {text} is not defined; the record is kept but not shown. Push it again in the newer form"));
                    }
                    Some(*state)
                }
                None => {
                    let known = map.keys().cloned().collect::<Vec<_>>().join("、");
                    self.whole(
                        "state_unknown",
                        Severity::Error,
                        text,
                        format!("当前状态「{text}」不在该表式的代码中；可用：{known}"),
                        format!("status `{text}` is not known in this form; known: {known}"),
                    );
                    None
                }
            };
        }
        let at = self.at(Role::RecordState);
        let field = self.item.fields.get(at);
        match (field.and_then(|f| f.state_map.as_ref()), values.get(at).and_then(Option::as_ref)) {
            (Some(map), Some(value)) => {
                let text = value.text();
                if let Some(state) = map.get(&text) {
                    return Some(*state);
                }
                self.error(
                    at,
                    "state_unknown",
                    &text,
                    "当前状态不在代码中；请按填报说明填写",
                    "this status is not known; see the instructions",
                );
                None
            }
            _ => Some(RecordState::Active),
        }
    }

    /// Whom the row is about. `None` when it does not say so soundly; then there is an error among the issues.
    pub(super) fn subject(&mut self, values: &[Option<Value<'_>>], basis: &Basis, on: Option<NaiveDate>) -> Option<SubjectRef> {
        let value =
            |role: Role| self.item.fields.iter().position(|f| f.role == Some(role)).and_then(|at| values.get(at)).and_then(Option::as_ref);
        let text = |role: Role| value(role).map(Value::text);
        let name = text(Role::SubjectName)?;
        let name_normal = normalise(&name);
        let mut others: Vec<(&'static str, String)> = Vec::new();
        let mut kind = None;
        let mut identifier = None;
        if let Some(Value::Code(code)) = value(Role::SubjectUscc) {
            kind = Some(self.configuration.kind_of(code, basis.received_on));
            identifier = Some(Identified::Uscc(code.to_string()));
        }
        if let Some(code) = text(Role::SubjectOrgCode) {
            others.push(("org_code", code));
        }
        if let Some(number) = text(Role::SubjectRegistrationNo) {
            others.push(("registration_no", number));
        }
        let person_doc = value(Role::PersonDocNo).map(|v| (self.at(Role::PersonDocNo), v.text(), text(Role::PersonDocKind)));
        let any_code = value(Role::SubjectCode).map(|v| (self.at(Role::SubjectCode), v.text(), text(Role::PartyType)));
        if let Some((at, number, doc_kind)) = person_doc {
            identifier = Some(self.person(at, &number, doc_kind.as_deref(), basis)?);
            kind = Some(SubjectKind::NaturalPerson);
        }
        if let Some((at, number, party)) = any_code {
            if party.as_deref() == Some("自然人") {
                identifier = Some(self.person(at, &number, None, basis)?);
                kind = Some(SubjectKind::NaturalPerson);
            } else {
                (identifier, kind) = self.any_code(at, &number, basis, &mut others)?;
            }
        }
        if identifier.is_none() && others.is_empty() {
            let has_error = self.issues.iter().any(|i| i.severity == Severity::Error);
            if !has_error {
                self.whole(
                    "subject_unidentified",
                    Severity::Error,
                    "",
                    "没有任何主体代码；请至少填写统一社会信用代码".into(),
                    "no code of the subject is given; give at least the unified social credit code".into(),
                );
            }
            return None;
        }
        let kind = kind.unwrap_or(SubjectKind::LegalEntity);
        let persons_wanted = self.item.subject_kinds.contains(&SubjectKind::NaturalPerson);
        let organisations_wanted = self.item.subject_kinds.iter().any(|k| !k.is_person());
        if (kind.is_person() && !persons_wanted) || (!kind.is_person() && !organisations_wanted) {
            self.whole(
                "subject_kind",
                Severity::Error,
                "",
                "主体类别不属于该条目；请使用对应的自然人或法人条目".into(),
                "the item is not about this kind of subject; use the item for persons or for organisations".into(),
            );
            return None;
        }
        Some(SubjectRef { identifier: identifier.unwrap_or(Identified::Weak), others, name, name_normal, on, kind })
    }

    pub(super) fn person(&mut self, at: usize, number: &str, doc_kind: Option<&str>, basis: &Basis) -> Option<Identified> {
        let kind = doc_kind.map_or(Some(PersonDocumentKind::ResidentId), |text| PersonDocumentKind::from_feed(&cell::compact(text)))?;
        match PersonDocument::parse(kind, number, basis.received_on, basis.configuration.person_age_max(basis.received_on)) {
            Ok(document) => {
                let scheme = kind.code();
                let index = basis.keys.index(scheme, document.reveal());
                let sealed = basis.keys.seal(scheme.as_bytes(), document.reveal().as_bytes()).ok()?;
                Some(Identified::Person { scheme, index, sealed })
            }
            Err(error) => {
                self.error(at, error.code(), number, error.zh(), error.en());
                None
            }
        }
    }

    pub(super) fn any_code(
        &mut self,
        at: usize,
        number: &str,
        basis: &Basis,
        others: &mut Vec<(&'static str, String)>,
    ) -> Option<(Option<Identified>, Option<SubjectKind>)> {
        let as_uscc = Uscc::parse(number, self.rules);
        if let Ok((code, warnings)) = as_uscc {
            for warning in warnings {
                self.warn(at, warning.code(), number, warning.zh(), warning.en());
            }
            return Some((Some(Identified::Uscc(code.to_string())), Some(self.configuration.kind_of(&code, basis.received_on))));
        }
        if let Ok(code) = OrganisationCode::parse(number) {
            others.push(("org_code", code.as_str().to_owned()));
            return Some((None, None));
        }
        let compact = cell::compact(number);
        let legacy = compact.len() == 13 || compact.len() == 15;
        if let Some(number) = RegistrationNumber::parse(number).ok().filter(|_| legacy) {
            others.push(("registration_no", number.as_str().to_owned()));
            return Some((None, None));
        }
        match as_uscc {
            Err(error) if compact.len() == 18 => self.error(at, error.code(), number, error.zh(), error.en()),
            _ => self.error(
                at,
                "subject_code",
                number,
                "不是统一社会信用代码、组织机构代码或注册号；请核对",
                "neither a unified social credit code nor an organisation code nor a registration number",
            ),
        }
        None
    }

    pub(super) fn region(
        &mut self,
        regions: &[String],
        agencies: &HashMap<String, KnownAgency>,
        uscc: Option<&Value<'_>>,
        name: Option<&Value<'_>>,
    ) {
        let by = |v: Option<&Value<'_>>| v.and_then(|v| agencies.get(&normalise(&v.text())));
        let known = by(uscc).or_else(|| by(name));
        if !known.is_some_and(|agency| regions.contains(&agency.region)) {
            self.whole(
                "out_of_region",
                Severity::Error,
                "",
                "作出决定的机关不在该接口密钥的地区范围内；请使用相应密钥".into(),
                "the deciding organ lies outside the regions of this API key; use the right key".into(),
            );
        }
    }
}
