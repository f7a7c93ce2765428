//! The row as a whole: required fields, dates that must fit each other, the record's state, whom it is about.

use super::read::Run;
use super::{Basis, KnownAgency, Value};
use crate::cell::{self, Cell};
use crate::header::{Header, Target};
use crate::model::Severity;
use chrono::NaiveDate;
use credence_catalog::model::{CodeValue, RecordState, Role};
use credence_catalog::{Feed, SubjectKind};
use credence_core::identifiers::uscc::Uscc;
use credence_core::identifiers::{OrganisationCode, PersonDocument, PersonDocumentKind, RegistrationNumber, person, registration};
use credence_names::normalise;
use credence_subjects::matching::{Identified, SubjectRef};
use std::collections::HashMap;

impl Run<'_> {
    /// What the row has to hold, and whether what it holds was in use on its day.
    pub(super) fn required(&mut self, required: &[bool], exempt: &[bool], values: &[Option<Value<'_>>]) {
        self.code_periods(values);
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

    /// A value that was not in use on the day of the decision, such as a kind of penalty that a later law brought (行政处罚法 art. 9, from
    /// 2021-07-15): worth a warning, as departments are late with new wordings, and never a refusal.
    fn code_periods(&mut self, values: &[Option<Value<'_>>]) {
        let decided = values.get(self.at(Role::DecisionDate)).and_then(Option::as_ref);
        let Some(&Value::Day(day)) = decided else { return };
        for (at, field) in self.item.fields.iter().enumerate() {
            let (Some(set), Some(Some(value))) = (self.set(field), values.get(at)) else { continue };
            let texts: Vec<&str> = match value {
                Value::List(list) => list.clone(),
                Value::Text(text) => vec![&**text],
                Value::Day(_) | Value::Code(_) => continue,
            };
            for code in texts.iter().filter_map(|text| set.of_stored(text)).filter(|code| !code.in_use(day)) {
                let (zh, en) = period(code);
                self.warn(
                    at,
                    "code_out_of_period",
                    &code.value,
                    format!("「{}」{zh}使用，决定日期（{day}）不在其中；请核对", code.value),
                    format!("`{}` was in use {en}, and the decision was made on {day}; check both", code.value),
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
        let doc_kind = text(Role::PersonDocKind);
        let person_doc = value(Role::PersonDocNo).map(|v| (self.at(Role::PersonDocNo), v.text()));
        let any_code = value(Role::SubjectCode).map(|v| (self.at(Role::SubjectCode), v.text(), text(Role::PartyType)));
        if let Some((at, number)) = person_doc {
            // Forms without a column for the kind have resident IDs only, and say so in the column's name.
            let document = self.document_kind(at, &number, doc_kind.as_deref(), Some(PersonDocumentKind::ResidentId), basis)?;
            identifier = Some(self.person(at, &number, document, basis)?);
            kind = Some(SubjectKind::NaturalPerson);
        }
        if let Some((at, number, party)) = any_code {
            if party.as_deref() == Some("自然人") {
                let document = self.document_kind(at, &number, doc_kind.as_deref(), person::kind_by_form(&number), basis)?;
                identifier = Some(self.person(at, &number, document, basis)?);
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

    /// The kind of a person's document: as the row states it, else as its column or its form tells (`told`). What neither tells is asked
    /// for, not guessed: one number of two kinds would be two persons.
    fn document_kind(
        &mut self,
        at: usize,
        number: &str,
        stated: Option<&str>,
        told: Option<PersonDocumentKind>,
        basis: &Basis,
    ) -> Option<PersonDocumentKind> {
        if let Some(text) = stated {
            let kind = self.configuration.person_rules(basis.received_on).kind(&cell::compact(text));
            if kind.is_none() {
                let at_kind = self.at(Role::PersonDocKind);
                self.unknown_document_kind(at_kind, text);
            }
            return kind;
        }
        if told.is_none() {
            self.error(
                at,
                "person_document_ambiguous",
                number,
                "仅凭号码不能确定是哪种证件；请增加「证件类型」一列并填写，或核对号码",
                "the number alone does not tell which document it is of; add the column for the kind of document and fill it, or check the number",
            );
        }
        told
    }

    pub(super) fn person(&mut self, at: usize, number: &str, kind: PersonDocumentKind, basis: &Basis) -> Option<Identified> {
        let rules = self.configuration.person_rules(basis.received_on);
        match PersonDocument::parse_with(kind, number, basis.received_on, &rules) {
            Ok(document) => {
                for warning in document.warnings(&self.rules.areas) {
                    self.warn(at, warning.code(), number, warning.zh(), warning.en());
                }
                // The document's own kind, so that a person is found whatever the sender called the document.
                let scheme = document.kind().code();
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
            if !self.warnings_of_code(at, number, &warnings, true) {
                return None;
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
            if registration::reads_as_tax_number(number.as_str(), &self.rules.areas) {
                self.warn(
                    at,
                    "code_ambiguous",
                    number.as_str(),
                    "该15位号码既像注册号又像税务登记号，按注册号处理；如有统一社会信用代码请改报",
                    "these 15 characters read as a registration number and as a tax number; they are taken for the former. If there is a unified social credit code, give that",
                );
            }
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
        provider_region: &str,
        uscc: Option<&Value<'_>>,
        name: Option<&Value<'_>>,
    ) {
        let by = |v: Option<&Value<'_>>| v.and_then(|v| agencies.get(&normalise(&v.text())));
        // A row that names no organ speaks for the agency that pushes it.
        let region = match (uscc, name) {
            (None, None) => Some(provider_region),
            _ => by(uscc).or_else(|| by(name)).map(|agency| agency.region.as_str()),
        };
        if !region.is_some_and(|region| regions.iter().any(|own| own == region)) {
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

/// When a value was in use, in Chinese and English.
fn period(code: &CodeValue) -> (String, String) {
    match (code.valid_from, code.valid_to) {
        (Some(first), Some(last)) => (format!("自{first}至{last}"), format!("from {first} to {last}")),
        (Some(first), None) => (format!("自{first}起"), format!("from {first} on")),
        (None, Some(last)) => (format!("至{last}止"), format!("until {last}")),
        (None, None) => (String::new(), String::new()),
    }
}
