//! The external systems and the alarms, for operators.

use super::params::{Params, SystemSwitch};
use super::transfers::{json, reason_of};
use super::{ApiProblem, ApiState, Authenticated, MAX_DOCUMENT, OPERATORS, ProblemDocument, Shared, VIEWERS};
use crate::alarm::AlarmKind;
use crate::operator::Operator;
use crate::partner::Partner;
use crate::store::Alarm;
use crate::view::{Bilingual, ProbeView, Sentence, SystemView};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use jiff::Timestamp;
use league_contract::{Problem, ProblemCode, System};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

/// An operator's switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Switch {
    /// Send nothing, until a time or until it is resumed.
    Pause,
    /// Lift pause and suspension, forget failures and rests.
    Resume,
    /// Ask one harmless question now.
    Probe,
}

impl Switch {
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "pause" => Some(Self::Pause),
            "resume" => Some(Self::Resume),
            "probe" => Some(Self::Probe),
            _ => None,
        }
    }
}

/// Why, and how long.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read field by field")]
pub(super) struct SwitchBody {
    /// It stands in the audit log.
    reason: Sentence,
    /// Of a pause: until when (RFC 3339); without it, until it is resumed.
    #[schema(format = DateTime)]
    until: Option<String>,
}

/// What a switch did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SwitchView {
    /// What was done.
    did: Bilingual,
    /// What came of the question, where one was asked.
    probe: Option<ProbeView>,
    /// How the system stands now.
    system: SystemView,
}

/// Which alarms.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AlarmQuery {
    /// Those that were cleared, too: the newest 200.
    #[serde(default)]
    all: bool,
}

/// Which alarm is over, and why.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read field by field")]
pub(super) struct ClearBody {
    /// Which system's; without it, the gateway's own.
    system: Option<String>,
    /// Which kind.
    #[schema(schema_with = alarm_kinds)]
    kind: String,
    /// What was found, or done about it.
    reason: Sentence,
}

/// The word of every kind.
fn alarm_kinds() -> utoipa::openapi::schema::Object {
    let words = AlarmKind::ALL.iter().map(|kind| kind.as_str());
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

/// What was done about an alarm.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClearedView {
    /// What was done.
    did: Bilingual,
}

/// How many alarms are shown, cleared ones included.
const NEWEST: u32 = 200;

/// How each external system stands: may it be spoken to, why not and since when, its limits, and what waits for it.
#[utoipa::path(get, path = "/v1/operator/systems", operation_id = "listSystems", tag = "operator",
    responses((status = 200, description = "Every system that is configured.", body = Vec<SystemView>)))]
pub(super) async fn list(
    State(state): Shared,
    caller: Authenticated,
) -> Result<Json<Vec<SystemView>>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let reading = async {
        let mut tx = state.store.read("systems").await?;
        let mut views = Vec::new();
        for partner in state.partners.values() {
            views.push(SystemView::read(&mut tx, partner, state.clock.now()).await?);
        }
        Ok::<_, crate::store::StoreError>(views)
    };
    reading.await.map(Json).map_err(|error| ApiProblem::internal(&state, &error))
}

/// How one system stands.
#[utoipa::path(get, path = "/v1/operator/systems/{system}", operation_id = "showSystem", tag = "operator",
    params(("system" = String, Path, description = "Its name.")),
    responses((status = 200, description = "How it stands.", body = SystemView), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(
    State(state): Shared,
    caller: Authenticated,
    super::params::Word(name): super::params::Word,
) -> Result<Json<SystemView>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    Ok(Json(view(&state, named(&state, &name)?).await?))
}

/// Pause, resume or probe a system. The answer says what was done, and how it stands then.
#[utoipa::path(post, path = "/v1/operator/systems/{system}/{switch}", operation_id = "switchSystem", tag = "operator",
    request_body = SwitchBody,
    params(("system" = String, Path, description = "Its name."), ("switch" = Switch, Path, description = "What to do.")),
    responses((status = 200, description = "It was done.", body = SwitchView), (status = 400, body = ProblemDocument),
        (status = 404, body = ProblemDocument), (status = 409, description = "A probe is under way.", body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn switch(
    State(state): Shared,
    caller: Authenticated,
    SystemSwitch(name, switch): SystemSwitch,
    body: Body,
) -> Result<Json<SwitchView>, ApiProblem> {
    caller.require(&state, &OPERATORS)?;
    let value = json(&state, body, MAX_DOCUMENT).await?;
    let partner = named(&state, &name)?;
    let (reason, author) = (reason_of(&value), caller.author());
    if reason.trim().is_empty() {
        return Err(invalid(&state, "reason", "请填写原因", "give a reason"));
    }
    let operator = Operator { intake: state.intake.clone() };
    let (did, probe) = match switch {
        Switch::Pause => {
            let until = until_of(&state, &value)?;
            let paused = operator.pause(partner, &reason, until, &author).await;
            let until = until.map(|until| format!(" {until}")).unwrap_or_default();
            (paused.map(|()| [format!("已暂停{until}"), format!("paused{until}")]), None)
        }
        Switch::Resume => (operator.resume(partner, &reason, &author).await, None),
        Switch::Probe => match operator.probe(partner, &reason, &author).await {
            Ok(probed) => {
                let did = if probed.serves {
                    ["已探测：得到正常答复", "probed: it answers"]
                } else {
                    ["已探测：没有得到正常答复", "probed: it does not serve us now"]
                };
                (Ok(did.map(str::to_owned)), Some(probed.view))
            }
            Err(error) => (Err(error), None),
        },
    };
    let did = did.map_err(|error| ApiProblem::intake(&state, error))?;
    Ok(Json(SwitchView { did: did.into(), probe, system: view(&state, partner).await? }))
}

/// What somebody must look at, newest first.
#[utoipa::path(get, path = "/v1/operator/alarms", operation_id = "listAlarms", tag = "operator", params(AlarmQuery),
    responses((status = 200, description = "The alarms.", body = Vec<Alarm>), (status = 400, body = ProblemDocument)))]
pub(super) async fn alarms(
    State(state): Shared,
    caller: Authenticated,
    Params(query): Params<AlarmQuery>,
) -> Result<Json<Vec<Alarm>>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let mut tx = state.store.read("alarms").await.map_err(|error| ApiProblem::internal(&state, &error))?;
    tx.alarms(!query.all, NEWEST).await.map(Json).map_err(|error| ApiProblem::internal(&state, &error))
}

/// Somebody looked: the alarm is over. One whose cause lasts is raised again.
#[utoipa::path(post, path = "/v1/operator/alarms/clear", operation_id = "clearAlarm", tag = "operator", request_body = ClearBody,
    responses((status = 200, description = "It is cleared.", body = ClearedView), (status = 400, body = ProblemDocument),
        (status = 404, description = "None of that kind is open.", body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn clear_alarm(
    State(state): Shared,
    caller: Authenticated,
    body: Body,
) -> Result<Json<ClearedView>, ApiProblem> {
    caller.require(&state, &OPERATORS)?;
    let value = json(&state, body, MAX_DOCUMENT).await?;
    let kind = value.get("kind").and_then(Value::as_str).and_then(AlarmKind::parse);
    let kind = kind.ok_or_else(|| {
        let known = AlarmKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
        invalid(&state, "kind", &format!("须为以下之一：{known}"), &format!("must be one of {known}"))
    })?;
    let system = match value.get("system") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(&named(&state, name)?.system),
        Some(_) => return Err(invalid(&state, "system", "应为字符串", "must be a string")),
    };
    let operator = Operator { intake: state.intake.clone() };
    let cleared = operator.clear_alarm(system, kind, &reason_of(&value), &caller.author()).await;
    cleared.map_err(|error| ApiProblem::intake(&state, error))?;
    let did = Bilingual { zh: format!("已清除：{kind}"), en: format!("cleared: {kind}") };
    Ok(Json(ClearedView { did }))
}

async fn view(state: &ApiState, partner: &Partner) -> Result<SystemView, ApiProblem> {
    let mut tx = state.store.read("system").await.map_err(|error| ApiProblem::internal(state, &error))?;
    let view = SystemView::read(&mut tx, partner, state.clock.now()).await;
    view.map_err(|error| ApiProblem::internal(state, &error))
}

/// The system of a name.
fn named<'s>(state: &'s ApiState, name: &str) -> Result<&'s Partner, ApiProblem> {
    let found = System::parse(name).and_then(|system| state.partners.get(&system));
    found.map(|partner| &**partner).ok_or_else(|| {
        let known = state.partners.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        ApiProblem::one(
            state,
            Problem::at(
                ProblemCode::NotFound,
                "system",
                format!("没有这个系统；已配置的有：{known}"),
                format!("no such system is configured; there are {known}"),
            ),
        )
    })
}

/// The end of a pause, if one is given.
fn until_of(state: &ApiState, value: &Value) -> Result<Option<Timestamp>, ApiProblem> {
    let unfit = || {
        invalid(
            state,
            "until",
            "须为 RFC 3339 时间，如 2026-10-01T06:00:00+08:00",
            "must be a time of RFC 3339: 2026-10-01T06:00:00+08:00",
        )
    };
    match value.get("until") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => text.parse().map(Some).map_err(|_| unfit()),
        Some(_) => Err(unfit()),
    }
}

fn invalid(state: &ApiState, field: &str, zh: &str, en: &str) -> ApiProblem {
    ApiProblem::one(state, Problem::at(ProblemCode::FieldInvalid, field, zh, en))
}
