//! The city: who provides, and about whom.

use crate::codes::{self, BODIES, Family, ymd};
use crate::rng::SplitMix64;
use crate::words::{self, AGENCIES, CAUSES, FARMING, REGIONS, Region, SHOPS, STREETS, TRADES};
use chrono::{Datelike, Days, NaiveDate};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A generated city. Foundings and changes of name lie before July 2025, so days given to [`crate::write_csv`] should not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct City {
    /// Organs; the same in every city.
    pub agencies: Vec<DemoAgency>,
    /// Organisations.
    pub organisations: Vec<Organisation>,
    /// Persons who are penalised or default; half as many as organisations, at least twenty.
    pub persons: Vec<Person>,
}

/// An organ. Written as JSON or TOML it is an entry of an agencies file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoAgency {
    /// Short code: region and kind.
    pub code: String,
    /// Official name.
    pub name: String,
    /// A USCC that passes every check and is nobody's.
    pub uscc: String,
    /// Region it serves.
    pub region: String,
    /// Kind of organ.
    pub kind: String,
}

/// What an organisation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrganisationKind {
    /// Company, USCC 91.
    Company,
    /// Limited partnership, USCC 91.
    Partnership,
    /// Individual business, USCC 92.
    IndividualBusiness,
    /// Farmers' co-operative, USCC 93.
    Cooperative,
    /// Law firm, USCC 31.
    LawFirm,
    /// Social group, USCC 51.
    SocialGroup,
}

impl OrganisationKind {
    /// Positions 1-2 of its USCC.
    pub fn category(self) -> &'static str {
        match self {
            Self::Company | Self::Partnership => "91",
            Self::IndividualBusiness => "92",
            Self::Cooperative => "93",
            Self::LawFirm => "31",
            Self::SocialGroup => "51",
        }
    }

    /// 行政相对人类别.
    pub fn party(self) -> &'static str {
        if self == Self::IndividualBusiness { "个体工商户" } else { "法人及非法人组织" }
    }

    /// 主体类型 as registers word it.
    pub fn entity_type(self) -> &'static str {
        match self {
            Self::Company => "有限责任公司",
            Self::Partnership => "有限合伙企业",
            Self::IndividualBusiness => "个体工商户",
            Self::Cooperative => "农民专业合作社",
            Self::LawFirm => "普通合伙律师事务所",
            Self::SocialGroup => "社会团体",
        }
    }

    fn draw(rng: &mut SplitMix64) -> Self {
        match rng.below(100) {
            0..62 => Self::Company,
            62..65 => Self::Partnership,
            65..90 => Self::IndividualBusiness,
            90..94 => Self::Cooperative,
            94..96 => Self::LawFirm,
            _ => Self::SocialGroup,
        }
    }
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Passes every check and is nobody's.
    pub uscc: String,
    /// What it is.
    pub kind: OrganisationKind,
    /// Present name.
    pub name: String,
    /// Name before [`Self::renamed_on`].
    pub former_name: Option<String>,
    /// First day of the present name, when there was another.
    pub renamed_on: Option<NaiveDate>,
    /// Founded on.
    pub est_date: NaiveDate,
    /// County where it is, six digits; not always that of the code.
    pub region: String,
    /// Legal representative.
    pub legal_rep: String,
    /// Synthetic resident ID number of the legal representative.
    pub legal_rep_id: String,
    /// Registration number; empty for those that market regulators do not register.
    pub reg_no: String,
    /// Registered capital in 万元; 0 when it has none.
    pub capital: u64,
    /// Business scope.
    pub scope: String,
    /// Registered address.
    pub address: String,
    /// 登记状态.
    pub standing: String,
}

impl Organisation {
    /// Its name on a day.
    pub fn name_on(&self, day: NaiveDate) -> &str {
        match (&self.former_name, self.renamed_on) {
            (Some(former), Some(since)) if day < since => former,
            _ => &self.name,
        }
    }

    /// The organisation code inside its USCC.
    pub fn org_code(&self) -> &str {
        self.uscc.get(8..17).unwrap_or_default()
    }
}

/// A natural person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name.
    pub name: String,
    /// Resident ID number with an address code that is not in use.
    pub id_number: String,
}

impl Person {
    /// Whether the number says male.
    pub fn male(&self) -> bool {
        self.id_number.get(16..17).and_then(|digit| digit.parse::<u32>().ok()).is_some_and(|digit| digit % 2 == 1)
    }

    /// Whole years of age by the year of birth.
    pub fn age(&self, today: NaiveDate) -> i32 {
        self.id_number.get(6..10).and_then(|year| year.parse::<i32>().ok()).map_or(0, |born| today.year() - born)
    }
}

/// How a name is put together; only the brand changes when the organisation is renamed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wording {
    head: &'static str,
    brand: [&'static str; 2],
    tail: [&'static str; 5],
    pub(crate) scope: &'static str,
}

impl Wording {
    /// Draws the name of an organisation of this kind. `young`: founded since individual businesses may carry the word in brackets.
    pub(crate) fn draw(kind: OrganisationKind, region: &Region, young: bool, rng: &mut SplitMix64) -> Self {
        let brand = words::brand(rng);
        let made = |head, brand, tail, scope| Self { head, brand, tail, scope };
        match kind {
            OrganisationKind::Company => {
                let trade = rng.one(TRADES);
                let form =
                    rng.one(&["有限公司", "有限公司", "有限公司", "有限公司", "有限公司", "有限公司", "有限责任公司", "股份有限公司"]);
                if rng.below(100) < 15 {
                    made("", brand, ["（", region.short, "）", trade.word, form], trade.scope)
                } else {
                    made(rng.one(&region.prefixes), brand, [trade.word, form, "", "", ""], trade.scope)
                }
            }
            OrganisationKind::Partnership => made(
                rng.one(&region.prefixes),
                brand,
                [rng.one(&["企业管理", "股权投资", "创业投资", "咨询服务"]), "中心", "（有限合伙）", "", ""],
                "企业管理咨询；以自有资金从事投资活动",
            ),
            OrganisationKind::IndividualBusiness => {
                let shop = rng.one(SHOPS);
                made(region.full, brand, [shop.word, if young { "（个体工商户）" } else { "" }, "", "", ""], shop.scope)
            }
            OrganisationKind::Cooperative => {
                let farming = rng.one(FARMING);
                made(region.full, brand, [farming.word, "专业合作社", "", "", ""], farming.scope)
            }
            OrganisationKind::LawFirm => made("河北", brand, ["律师事务所", "", "", "", ""], "法律服务"),
            OrganisationKind::SocialGroup => {
                let cause = rng.one(CAUSES);
                // Like the real ones, most have no brand.
                let brand = if rng.below(100) < 30 { brand } else { [""; 2] };
                made(region.full, brand, [cause.word, "", "", "", ""], cause.scope)
            }
        }
    }

    /// Appends the name.
    pub(crate) fn push(&self, out: &mut String) {
        out.push_str(self.head);
        self.brand.iter().chain(&self.tail).for_each(|part| out.push_str(part));
    }

    fn text(&self) -> String {
        let mut out = String::with_capacity(64);
        self.push(&mut out);
        out
    }
}

/// So often a name that is taken is drawn again; a city so large that this does not do keeps a few namesakes, as real ones have.
const DRAWS: usize = 40;
const FIRST_DAY: NaiveDate = ymd(1999, 1, 1);
/// Individual businesses have been naming themselves so since about then.
const SUFFIX_SINCE: NaiveDate = ymd(2022, 11, 1);
const FIRST_RENAMING: NaiveDate = ymd(2021, 7, 1);
const LAST_RENAMING: NaiveDate = ymd(2025, 6, 30);
/// Address codes of resident IDs that are in the list and on no card, for persons and for legal representatives: cards are issued in counties
/// and districts, not for a city or for 市辖区.
const NOBODYS_ADDRESS: &str = "131001";
const NOBODYS_ADDRESS_TOO: &str = "131000";

/// A day drawn between two, both included; the first when they are the wrong way round.
pub(crate) fn between(rng: &mut SplitMix64, first: NaiveDate, last: NaiveDate) -> NaiveDate {
    let span = u64::try_from((last - first).num_days()).unwrap_or_default();
    first.checked_add_days(Days::new(rng.below(span + 1))).unwrap_or(first)
}

/// The organs of the city.
pub(crate) fn agencies() -> Vec<DemoAgency> {
    (1..)
        .zip(AGENCIES)
        .map(|(index, (region, kind, name))| DemoAgency {
            code: format!("{region}_{kind}"),
            name: (*name).to_owned(),
            uscc: codes::uscc("11", region, Family::Agency, index),
            region: (*region).to_owned(),
            kind: (*kind).to_owned(),
        })
        .collect()
}

impl City {
    /// Makes the city of a seed with so many organisations.
    pub fn generate(seed: u64, organisations: usize) -> Self {
        let mut rng = SplitMix64::named(seed, "organisations");
        let offset = rng.below(BODIES);
        let mut names = HashSet::with_capacity(organisations);
        let organisations: Vec<Organisation> =
            (0u64..).take(organisations).map(|index| organisation(index, offset, &mut names, &mut rng)).collect();
        let mut rng = SplitMix64::named(seed, "persons");
        let offset = rng.below(1_000_000);
        let persons = (offset..)
            .take((organisations.len() / 2).max(20))
            .map(|index| {
                let mut name = String::with_capacity(9);
                words::push_person_name(&mut name, &mut rng);
                Person { name, id_number: codes::resident_id(NOBODYS_ADDRESS, index) }
            })
            .collect();
        Self { agencies: agencies(), organisations, persons }
    }
}

fn organisation(index: u64, offset: u64, names: &mut HashSet<String>, rng: &mut SplitMix64) -> Organisation {
    let kind = OrganisationKind::draw(rng);
    let region = rng.one(REGIONS);
    let est_date = between(rng, FIRST_DAY, ymd(2023, 12, 31));
    let mut wording = Wording::draw(kind, &region, est_date >= SUFFIX_SINCE, rng);
    let mut name = wording.text();
    for _ in 0..DRAWS {
        if !names.contains(&name) {
            break;
        }
        wording = Wording::draw(kind, &region, est_date >= SUFFIX_SINCE, rng);
        name = wording.text();
    }
    names.insert(name.clone());
    let (mut former_name, mut renamed_on) = (None, None);
    if kind == OrganisationKind::Company && rng.below(100) < 6 {
        let former = Wording { brand: words::brand(rng), ..wording }.text();
        let earliest = est_date.checked_add_days(Days::new(200)).unwrap_or(est_date).max(FIRST_RENAMING);
        let day = between(rng, earliest, LAST_RENAMING);
        if names.insert(former.clone()) {
            (former_name, renamed_on) = (Some(former), Some(day));
        }
    }
    // The code keeps the area of its first registration: law firms register with the province, some others with the city itself.
    let area = match kind {
        OrganisationKind::LawFirm => "130000",
        _ if rng.below(100) < 5 => "131001",
        _ => region.code,
    };
    let mut reg_no = String::new();
    match kind {
        OrganisationKind::Company | OrganisationKind::Partnership => codes::push_registration_no(&mut reg_no, area, '0', index),
        OrganisationKind::IndividualBusiness => codes::push_registration_no(&mut reg_no, area, '6', index),
        OrganisationKind::Cooperative => reg_no = format!("{area}NA{:06}X", index % 1_000_000),
        OrganisationKind::LawFirm | OrganisationKind::SocialGroup => {}
    }
    let capital = match kind {
        OrganisationKind::LawFirm => 0,
        OrganisationKind::SocialGroup => 3,
        OrganisationKind::IndividualBusiness => 1 + rng.below(20),
        _ => rng.one(&[10, 50, 100, 200, 300, 500, 500, 600, 1_000, 1_000, 2_000, 3_000, 5_000, 10_000]),
    };
    let mut legal_rep = String::with_capacity(9);
    words::push_person_name(&mut legal_rep, rng);
    Organisation {
        uscc: codes::uscc(kind.category(), area, Family::City, offset.wrapping_add(index)),
        kind,
        name,
        former_name,
        renamed_on,
        est_date,
        region: region.code.to_owned(),
        legal_rep,
        legal_rep_id: codes::resident_id(NOBODYS_ADDRESS_TOO, offset.wrapping_add(index)),
        reg_no,
        capital,
        scope: wording.scope.to_owned(),
        address: format!("{}{}{}号", region.full, rng.one(STREETS), 1 + rng.below(300)),
        standing: standing(rng).to_owned(),
    }
}

fn standing(rng: &mut SplitMix64) -> &'static str {
    match rng.below(100) {
        0..90 => "存续",
        90..95 => "在业",
        95..97 => "吊销",
        97..99 => "注销",
        _ => "迁出",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_core::identifiers::uscc::{Uscc, UsccRules};
    use credence_core::identifiers::{PersonDocument, PersonDocumentKind, RegistrationNumber};

    #[test]
    fn a_seed_is_a_city() {
        assert_eq!(City::generate(7, 300), City::generate(7, 300));
        assert_ne!(City::generate(7, 300), City::generate(8, 300));
    }

    #[test]
    fn every_number_passes_and_none_repeats() {
        let city = City::generate(42, 5_000);
        let mut seen = HashSet::new();
        let codes = city.agencies.iter().map(|a| &a.uscc).chain(city.organisations.iter().map(|o| &o.uscc));
        for code in codes {
            let parsed = Uscc::parse(code, &UsccRules::default());
            assert!(parsed.is_ok_and(|(uscc, warnings)| uscc.as_str() == code && warnings.is_empty()), "{code}");
            assert!(seen.insert(code.clone()), "{code}");
        }
        let today = ymd(2026, 11, 23);
        let ids = city.persons.iter().map(|p| &p.id_number).chain(city.organisations.iter().map(|o| &o.legal_rep_id));
        for id in ids {
            assert!(PersonDocument::parse(PersonDocumentKind::ResidentId, id, today, 130).is_ok(), "{id}");
            assert!(seen.insert(id.clone()), "{id}");
        }
        for number in city.organisations.iter().map(|o| &o.reg_no).filter(|n| !n.is_empty()) {
            assert!(RegistrationNumber::parse(number).is_ok(), "{number}");
            assert!(seen.insert(number.clone()), "{number}");
        }
    }

    #[test]
    fn the_city_is_plausible() {
        let city = City::generate(42, 5_000);
        let share = |kind| city.organisations.iter().filter(|o| o.kind == kind).count();
        assert!((1_100..1_400).contains(&share(OrganisationKind::IndividualBusiness)));
        for kind in [OrganisationKind::Cooperative, OrganisationKind::LawFirm, OrganisationKind::SocialGroup, OrganisationKind::Partnership]
        {
            assert!(share(kind) > 50, "{kind:?}");
        }
        let names: HashSet<&str> = city.organisations.iter().map(|o| o.name.as_str()).collect();
        assert!(names.len() > 4_950, "{}", names.len());
        let renamed: Vec<&Organisation> = city.organisations.iter().filter(|o| o.former_name.is_some()).collect();
        assert!((100..300).contains(&renamed.len()));
        for organisation in renamed {
            let day = organisation.renamed_on.unwrap();
            assert!(day > organisation.est_date);
            assert_eq!(organisation.name_on(day), organisation.name);
            assert_eq!(Some(organisation.name_on(day.pred_opt().unwrap())), organisation.former_name.as_deref());
        }
        let codes: HashSet<&str> = city.agencies.iter().map(|a| a.code.as_str()).collect();
        assert_eq!(codes.len(), city.agencies.len());
        assert!(city.agencies.iter().any(|a| a.name == "廊坊市中级人民法院" && a.kind == "court"));
        assert!(city.agencies.iter().any(|a| a.name == "廊坊市政府信用办" && a.kind == "credit_office"));
    }

    #[test]
    fn a_person_is_as_old_as_the_number_says() {
        let person = Person { name: "赵示例".into(), id_number: "11010519491231002X".into() };
        assert_eq!(person.age(ymd(2026, 11, 23)), 77);
        assert!(!person.male());
    }
}
