//! The HTTP face: upstream's API, the partners' callbacks, probes and metrics. No SQL, no HTTP client.

mod bulk;
mod callbacks;
mod description;
mod error;
mod events;
mod inbox;
mod look;
mod measure;
mod operator;
mod organizations;
mod params;
mod probes;
mod rates;
mod stories;
mod systems;
mod transfers;
mod webhooks;

use crate::access::{Caller, Role, authenticate};
use crate::clock::Clock;
use crate::inbound::Receiver;
use crate::intake::Intake;
use crate::notify::Bells;
use crate::organization::check::Organizations;
use crate::partner::Partners;
use crate::routing::Routes;
use crate::store::{Author, Store};
use crate::webhook::Desk;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::middleware;
use axum::routing::{get, post};
use description::Description;
pub use error::{ApiProblem, ProblemDocument};
use league_contract::{Problem, ProblemCode};
use metrics_exporter_prometheus::PrometheusHandle;
pub use rates::Rates;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The largest body of one transfer, in bytes.
const MAX_DOCUMENT: usize = 256 * 1024;
/// The largest batch, in bytes: a thousand lines of the usual size many times over.
const MAX_BATCH: usize = 8 * 1024 * 1024;
/// The longest long poll, and a little.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(75);

/// What the handlers need.
pub struct ApiState {
    /// The outbox.
    pub store: Store,
    /// The one validation.
    pub intake: Intake,
    /// Where things go.
    pub routes: Arc<Routes>,
    /// The systems.
    pub partners: Arc<Partners>,
    /// What time it is.
    pub clock: Clock,
    /// Heard by those who wait for events; rung when an act changed something.
    pub bells: Bells,
    /// Takes pushed messages.
    pub receiver: Receiver,
    /// Answers about organizations.
    pub organizations: Organizations,
    /// What an operator does to upstream's addresses.
    pub webhooks: Desk,
    /// How much callers may ask.
    pub rates: Rates,
    /// Whose turn it is to verify the audit log.
    pub verifying: Semaphore,
    /// How others reach us.
    pub public_url: String,
    /// Cancelled when the daemon stops: nobody is kept waiting then.
    pub stop: CancellationToken,
    /// Renders `/metrics`.
    pub metrics: Option<PrometheusHandle>,
}

/// The state as handlers take it.
pub type Shared = State<Arc<ApiState>>;

/// Who is served at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faces {
    /// Upstream: `/v1`, but for what operators do.
    pub upstream: bool,
    /// Partners: `/callbacks`.
    pub callbacks: bool,
    /// Operators: `/v1/operator`, `/metrics`.
    pub operator: bool,
}

impl std::fmt::Display for Faces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = [(self.upstream, "upstream"), (self.callbacks, "callbacks"), (self.operator, "operators")];
        let served: Vec<&str> = all.iter().filter(|(served, _)| *served).map(|(_, name)| *name).collect();
        f.write_str(&served.join(", "))
    }
}

impl Faces {
    /// Everybody.
    pub const ALL: Self = Self { upstream: true, callbacks: true, operator: true };
}

fn upstream() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(transfers::create))
        .routes(routes!(transfers::create_batch))
        .routes(routes!(transfers::show))
        .routes(routes!(transfers::amend))
        .routes(routes!(transfers::withdraw))
        .routes(routes!(events::feed))
        .routes(routes!(organizations::check_name))
        .routes(routes!(organizations::search_names))
        .routes(routes!(organizations::list_routes))
}

fn operators() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(operator::act))
        .routes(routes!(operator::audit))
        .routes(routes!(operator::verify))
        .routes(routes!(look::list))
        .routes(routes!(look::search))
        .routes(routes!(look::export, look::export_search))
        .routes(routes!(look::stats))
        .routes(routes!(look::failures))
        .routes(routes!(bulk::begin, bulk::list))
        .routes(routes!(bulk::show))
        .routes(routes!(bulk::results))
        .routes(routes!(bulk::turn))
        .routes(routes!(webhooks::list))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::act))
        .routes(routes!(stories::show))
        .routes(routes!(stories::timeline))
        .routes(routes!(stories::exchange))
        .routes(routes!(stories::unmask))
        .routes(routes!(inbox::list))
        .routes(routes!(inbox::show))
        .routes(routes!(inbox::reapply))
        .routes(routes!(systems::list))
        .routes(routes!(systems::show))
        .routes(routes!(systems::switch))
        .routes(routes!(systems::alarms))
        .routes(routes!(systems::clear_alarm))
}

/// The description of all routes, as it is served: the form in which it is put together takes thirty times its memory. It is put
/// together once, for all addresses.
static DESCRIPTION: LazyLock<Bytes> = LazyLock::new(description);

fn description() -> Bytes {
    let all = OpenApiRouter::with_openapi(Description::openapi()).merge(upstream()).merge(operators());
    let mut description = all.into_openapi();
    description::complete(&mut description);
    #[expect(clippy::expect_used, reason = "texts, numbers, lists and maps of texts have a form in JSON")]
    let text = serde_json::to_vec(&description).expect("a description has a form in JSON");
    text.into()
}

/// The routes of an address. Probes and the description, which is of all of them, are everywhere.
pub fn router(state: Arc<ApiState>, faces: Faces) -> Router {
    let description = DESCRIPTION.clone();
    let mut served = Router::new();
    if faces.upstream {
        served = served.merge(Router::from(upstream()));
    }
    if faces.callbacks {
        served = served.route("/callbacks/{system}", post(callbacks::receive));
    }
    if faces.operator {
        served = served.merge(Router::from(operators())).route("/metrics", get(probes::metrics));
    }
    served
        .route("/openapi.json", get(async move || ([(CONTENT_TYPE, "application/json")], description)))
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(axum::http::StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIMEOUT))
        // Around all others: what they answer is counted too.
        .layer(middleware::from_fn_with_state(state.clock.clone(), measure::measure))
        .with_state(state)
}

/// A caller who proved a token, and the address that the call came from.
pub struct Authenticated(pub Caller, pub Option<IpAddr>);

impl FromRequestParts<Arc<ApiState>> for Authenticated {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiProblem> {
        let header =
            parts.headers.get(axum::http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let problem = || {
            ApiProblem::one(
                state,
                Problem::new(
                    ProblemCode::Unauthorized,
                    "请在 Authorization 头中提供有效的令牌：Bearer TOKEN",
                    "send a valid token in the Authorization header: Bearer TOKEN",
                ),
            )
        };
        let (_, token) = token.ok_or_else(problem)?;
        let caller = authenticate(&state.store, token.trim())
            .await
            .map_err(|error| ApiProblem::internal(state, &error))?;
        let caller = caller.ok_or_else(problem)?;
        state
            .rates
            .take(&caller.name, state.clock.now())
            .map_err(|wait| ApiProblem::too_many(state, wait))?;
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        Ok(Self(caller, address))
    }
}

impl Authenticated {
    /// Who acts, for the audit log.
    #[must_use]
    pub fn author(&self) -> Author {
        let address = self.1.map(|address| address.to_string());
        Author {
            name: format!("token:{}", self.0.name),
            origin: format!("http {}", address.unwrap_or_default()),
        }
    }

    /// Fails unless the caller has one of these roles.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn require(&self, state: &ApiState, any_of: &[Role]) -> Result<(), ApiProblem> {
        if self.0.may(any_of) {
            return Ok(());
        }
        let needed = any_of.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" / ");
        Err(ApiProblem::one(
            state,
            Problem::new(
                ProblemCode::Forbidden,
                format!("令牌 {} 没有所需角色：{needed}", self.0.name),
                format!("the token {} lacks the role: {needed}", self.0.name),
            ),
        ))
    }
}

/// Roles that may read.
const READERS: [Role; 4] = Role::ALL;
/// Roles that may see what operators see, masked.
const VIEWERS: [Role; 3] = [Role::View, Role::Operate, Role::Admin];
/// Who may see whole persons.
const ADMINS: [Role; 1] = [Role::Admin];
/// Roles that may act on transfers and systems.
const OPERATORS: [Role; 2] = [Role::Operate, Role::Admin];
/// Roles that may put in, amend and take back.
const WRITERS: [Role; 2] = [Role::Submit, Role::Admin];
