//! Life on the lists of the demonstration city, made by its officials through the same services as their requests: two companies that were listed with
//! their joint action under way, one that was served its notice and waits for a decision, one commendation that is announced. What is there already,
//! from a start that was stopped, goes on from the state it has.

use super::super::Failure;
use super::Accounts;
use crate::app::App;
use chrono::{Datelike, Days, NaiveDate};
use credence_audit::feed;
use credence_catalog::{Configuration, Viewer};
use credence_core::{Actor, Clock, ManualClock, paging};
use credence_demo::{City, Feed, Organisation, OrganisationKind};
use credence_dispatch::model::actions::working_days;
use credence_dispatch::model::directives::{InboxPosition, NewFeedback};
use credence_dispatch::service::directives::DirectiveFilter;
use credence_lists::Lists;
use credence_lists::model::{Capacity, EntryView, NewDecision, NewEntry, NewNotice, NewResponsible, NoticeMethod, RED_BLOCKED};
use credence_lists::service::show::EntriesAsked;
use credence_reports::model::Question;
use credence_subjects::model::SUBJECT_NOT_FOUND;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The list of those who are sanctioned here.
pub(super) const SANCTIONED: &str = "serious_illegality";
/// The list of those who are commended here.
const COMMENDED: &str = "city_commendation";
/// What its entries bring: one measure that the approval bureau carries out, one of four other agencies.
const MEASURES: [&str; 2] = ["government_procurement_limit", "tendering_limit"];
/// What a commendation brings.
const INCENTIVE: &str = "priority_channel";
/// Entries of the market regulator: so many are listed, and the one after them waits for a decision.
const LISTED: usize = 2;
/// The notices were served so long ago, or longer where holidays keep the window for objections open.
const SERVED_DAYS_AGO: u64 = 14;
/// The penalties are older than the notices by so many days.
const PENALISED_DAYS_BEFORE: u64 = 7;
/// So many companies are looked at in search of some that were penalised; in a city as it is by default, one of ten was.
const PENALISED_LOOKS: usize = 500;
/// So many companies are looked at in search of one without an adverse record.
const COMMENDABLE_LOOKS: usize = 300;
/// How long an inbox may take to show what was put out a moment ago.
const INBOX_WAIT: Duration = Duration::from_secs(10);
/// How often is looked whether the lists are done.
const LOOK: Duration = Duration::from_millis(50);

/// The officials who act.
pub(super) struct Officials {
    /// Proposes and serves notices, for the market regulator.
    pub(super) proposer: Actor,
    /// Decides, for the same.
    pub(super) decider: Actor,
    /// Confirms joint action.
    pub(super) credit_office: Actor,
    /// Carries out, for the approval bureau.
    pub(super) approval: Actor,
    /// Carries out, for the housing bureau.
    pub(super) housing: Actor,
}

impl Officials {
    /// Logs them in.
    pub(super) async fn log_in(app: &App, accounts: &Accounts, password: &str) -> Result<Self, Failure> {
        Ok(Self {
            proposer: logged_in(app, accounts, "provider", password).await?,
            decider: logged_in(app, accounts, "approver", password).await?,
            credit_office: logged_in(app, accounts, "credit-office", password).await?,
            approval: logged_in(app, accounts, "consumer", password).await?,
            housing: logged_in(app, accounts, "consumer-housing", password).await?,
        })
    }
}

/// The actor of an account, as a request of it would have.
pub(super) async fn logged_in(app: &App, accounts: &Accounts, name: &str, password: &str) -> Result<Actor, Failure> {
    let username = accounts.names.get(name).ok_or_else(|| format!("there is no account {name}"))?;
    let tokens = app.identity.login(username, password.to_owned()).await?;
    Ok(app.identity.authenticate(&tokens.access_token).await?)
}

/// A clock that stands at noon of a day.
pub(super) fn noon(day: NaiveDate) -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(day.and_hms_opt(4, 0, 0).unwrap_or_default().and_utc()))
}

/// The lists as they were worked with on a day that is over: what the demonstration's officials did two weeks ago is entered as of then.
fn on(app: &App, day: NaiveDate) -> Lists {
    Lists { clock: noon(day), ..app.lists.clone() }
}

/// Entries that officials of an agency made on a list, oldest first.
async fn own_entries(app: &App, actor: &Actor, list: &str) -> Result<Vec<EntryView>, Failure> {
    let asked = EntriesAsked { list: Some(list.to_owned()), limit: app.settings.query.page_max, ..EntriesAsked::default() };
    let mut entries = app.lists.entries(actor, false, asked).await?.items;
    entries.reverse();
    Ok(entries)
}

fn companies(city: &City) -> impl Iterator<Item = &Organisation> {
    city.organisations.iter().filter(|o| o.kind == OrganisationKind::Company)
}

/// Lists two companies that the market regulator penalised, serves a third its notice, and lets the joint action about the first get as far as a
/// report. A city with few penalties of that age has fewer.
pub(super) async fn sanction(app: &App, city: &City, officials: &Officials) -> Result<(), Failure> {
    let today = app.clock.today();
    let served_on = served_on(&app.catalog.configuration.get(), today)?;
    let mut entries = own_entries(app, &officials.proposer, SANCTIONED).await?;
    if entries.len() <= LISTED {
        propose(app, city, officials, served_on, &entries).await?;
        entries = own_entries(app, &officials.proposer, SANCTIONED).await?;
    }
    for (number, entry) in (1..).zip(entries.iter().take(LISTED + 1)) {
        advance(app, officials, entry, number, served_on).await?;
    }
    if let Some(first) = entries.first() {
        answer(app, &officials.approval, first.id, true).await?;
        answer(app, &officials.housing, first.id, false).await?;
    }
    Ok(())
}

/// The latest day, not later than two weeks ago, on which a notice was served whose window for objections has run out by now.
fn served_on(configuration: &Configuration, today: NaiveDate) -> Result<NaiveDate, Failure> {
    let native = configuration.list(SANCTIONED, today).and_then(|list| list.body.native.as_ref());
    let rule = native.map(|native| &native.objection_rule).ok_or_else(|| format!("the configuration has no list {SANCTIONED}"))?;
    let mut served_on = today.checked_sub_days(Days::new(SERVED_DAYS_AGO)).unwrap_or(today);
    while working_days(configuration, rule, served_on)?.0 >= today {
        served_on = served_on.pred_opt().ok_or("the window for objections never runs out")?;
    }
    Ok(served_on)
}

/// Proposes as many entries as are missing: about companies with a penalty of the market regulator that came some time before the notice.
async fn propose(app: &App, city: &City, officials: &Officials, served_on: NaiveDate, there: &[EntryView]) -> Result<(), Failure> {
    let agency = officials.proposer.agency()?.0;
    let latest = served_on.checked_sub_days(Days::new(PENALISED_DAYS_BEFORE)).unwrap_or(served_on);
    let question =
        Question { section: Some("administrative_penalty".to_owned()), limit: app.settings.query.page_max, ..Question::default() };
    let mut missing = (LISTED + 1).saturating_sub(there.len());
    for organisation in companies(city).take(PENALISED_LOOKS) {
        if missing == 0 {
            break;
        }
        let head = match app.reports.organisation(&organisation.uscc, &question).await {
            // Its row of the register was refused, as some are.
            Err(problem) if problem.code() == SUBJECT_NOT_FOUND.code => continue,
            found => found?,
        };
        if there.iter().any(|entry| entry.subject_id == head.id) {
            continue;
        }
        let file = app.reports.file(head, &Viewer::public(), &question).await?;
        let of_old = file.sections.iter().flat_map(|section| &section.statements).find(|statement| {
            statement.item == Feed::PenaltyOrganisation.item()
                && statement.provider == agency
                && statement.state == "active"
                && statement.decided_on.is_some_and(|day| day <= latest)
        });
        let Some(penalty) = of_old else { continue };
        let entry = NewEntry {
            list: SANCTIONED.to_owned(),
            uscc: Some(organisation.uscc.clone()),
            subject_id: None,
            facts: "违反市场监督管理法律法规，情节严重，受到较重行政处罚".to_owned(),
            legal_basis: "《市场监督管理严重违法失信名单管理办法》".to_owned(),
            measures: MEASURES.map(str::to_owned).to_vec(),
            ground_record_id: Some(penalty.record_id),
            responsible: vec![NewResponsible {
                name: organisation.legal_rep.clone(),
                capacity: Capacity::LegalRepresentative,
                document_kind: None,
                document_number: None,
            }],
        };
        on(app, served_on).propose(&officials.proposer, entry).await?;
        missing -= 1;
    }
    Ok(())
}

/// Brings the entry with a number to where it belongs: the first ones onto the list with their joint action started, the next one to its notice.
async fn advance(app: &App, officials: &Officials, entry: &EntryView, number: usize, served_on: NaiveDate) -> Result<(), Failure> {
    let today = app.clock.today();
    let mut state = entry.state.as_str();
    if state == "draft" {
        let notice = NewNotice {
            notice_no: format!("廊市监信告〔{}〕{number}号", served_on.year()),
            served_on,
            method: NoticeMethod::Direct,
            proof: format!("送达回证 {}-{number}", served_on.year()),
        };
        on(app, served_on).notice(&officials.proposer, entry.id, notice).await?;
        state = "noticed";
    }
    if number > LISTED {
        return Ok(());
    }
    if state == "noticed" {
        let decision = NewDecision { decision_no: format!("廊市监信列〔{}〕{number}号", today.year()), decided_on: today };
        app.lists.decide(&officials.decider, entry.id, decision).await?;
        state = "decided";
    }
    if state == "decided" {
        app.lists.publish(&officials.proposer, entry.id).await?;
        state = "listed";
    }
    if state == "listed" {
        for action in app.dispatch.actions(Some("proposed"), Some(entry.id), None, app.settings.query.page_max).await? {
            app.dispatch.confirm_action(&officials.credit_office, action.id).await?;
        }
    }
    Ok(())
}

/// Lets an agency accept its directive under an entry, and report on it.
async fn answer(app: &App, agency: &Actor, entry: Uuid, report: bool) -> Result<(), Failure> {
    let Some((directive, mut state)) = received(app, agency, entry).await? else { return Ok(()) };
    if state == "delivered" {
        state = app.dispatch.accept_directive(agency, directive, None).await?.state;
    }
    if report && state == "accepted" {
        let said = NewFeedback {
            started_on: Some(app.clock.today()),
            content: "取消其政府采购项目供应商资格".to_owned(),
            field_area: "政府采购".to_owned(),
            effect: "已落实".to_owned(),
            status: "已执行".to_owned(),
            ..NewFeedback::default()
        };
        app.dispatch.report_directive(agency, directive, said, None).await?;
    }
    Ok(())
}

/// The directive of an agency under an entry, and its state: what it has received, or else what its inbox hands out now.
async fn received(app: &App, agency: &Actor, entry: Uuid) -> Result<Option<(Uuid, String)>, Failure> {
    let filter = DirectiveFilter { kind: Some("execute".to_owned()), entry: Some(entry), ..DirectiveFilter::default() };
    let limit = app.settings.query.page_max;
    let mut position = InboxPosition::default();
    loop {
        let (directives, _) = app.dispatch.directives(agency, &filter, limit).await?;
        if let Some(directive) = directives.into_iter().next() {
            return Ok(Some((directive.id, directive.state)));
        }
        let page = app.dispatch.inbox(agency, position, INBOX_WAIT, limit).await?;
        if page.messages.is_empty() {
            return Ok(None);
        }
        position = paging::decode(&page.next)?;
    }
}

/// Waits until the lists have followed everything that was pushed.
pub(super) async fn followed(app: &App) -> Result<(), Failure> {
    // A transaction that runs hides for its moment what was committed after it began: one look at which nothing is left could be such a moment.
    let mut nothing_left = 0;
    while nothing_left < 2 {
        let place = feed::place(&app.db, credence_lists::service::follow::READER).await?;
        nothing_left = if feed::read(&app.db, place, 1).await?.is_empty() { nothing_left + 1 } else { 0 };
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Announces the commendation of a company of which nothing adverse is held.
pub(super) async fn commend(app: &App, city: &City, officials: &Officials) -> Result<(), Failure> {
    let mut entries = own_entries(app, &officials.proposer, COMMENDED).await?;
    if entries.is_empty() {
        for organisation in companies(city).take(COMMENDABLE_LOOKS) {
            let entry = NewEntry {
                list: COMMENDED.to_owned(),
                uscc: Some(organisation.uscc.clone()),
                subject_id: None,
                facts: "连续多年守合同重信用，无失信记录".to_owned(),
                legal_basis: "国发〔2016〕33号第（四）项".to_owned(),
                measures: vec![INCENTIVE.to_owned()],
                ground_record_id: None,
                responsible: Vec::new(),
            };
            match app.lists.propose(&officials.proposer, entry).await {
                Err(problem) if [RED_BLOCKED.code, SUBJECT_NOT_FOUND.code].contains(&problem.code()) => {}
                proposed => {
                    proposed?;
                    break;
                }
            }
        }
        entries = own_entries(app, &officials.proposer, COMMENDED).await?;
    }
    let Some(draft) = entries.first().filter(|entry| entry.state == "draft") else { return Ok(()) };
    let today = app.clock.today();
    let notice = NewNotice {
        notice_no: format!("廊市监信公〔{}〕1号", today.year()),
        served_on: today,
        method: NoticeMethod::Announcement,
        proof: "信用廊坊网站公示栏".to_owned(),
    };
    app.lists.notice(&officials.proposer, draft.id, notice).await?;
    Ok(())
}

/// How many stand on which list.
pub(super) async fn summary(app: &App) -> Result<String, Failure> {
    let lists = app.lists.lists().await?;
    let counts: Vec<String> =
        lists.iter().filter(|list| list.entries > 0).map(|list| format!("{} on {}", list.entries, list.code)).collect();
    Ok(format!("  lists: {}", if counts.is_empty() { "nobody on any".to_owned() } else { counts.join(", ") }))
}
