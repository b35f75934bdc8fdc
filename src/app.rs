//! The composition root: the only file that names all three adapters, and the one that puts the daemon together.

use crate::api::{self, ApiState, Faces, Rates};
use crate::clock::Clock;
use crate::inbound::{Feed, Receiver};
use crate::intake::Intake;
use crate::lifecycle::Lifecycle;
use crate::listener::{Bound, Certificates};
use crate::notify::Bells;
use crate::operator::Operator;
use crate::organization::check::Organizations;
use crate::organization::directory::LocalDirectory;
use crate::outbound::{Delivery, Driver, Sweeper, Upkeep};
use crate::partner::{Link, Partner, Partners, Policy, fresh_nonce};
use crate::retention::Retention;
use crate::rotation::Rotation;
use crate::routing::{self, Routes};
use crate::seal::Sealer;
use crate::settings::{Settings, SystemSettings};
use crate::store::{Leads, SchemaState, Store, StoreError};
use crate::suspension::lift_if_credentials_changed;
use crate::transfer::Following;
use crate::transport::{Endpoint, Transport};
use crate::webhook::{self, Sender, Target};
use anyhow::Context as _;
use jiff::SignedDuration;
use league_contract::{EventSource, Registration, System};
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Every external system that this program speaks to. A new province is a line here, a crate, and data.
pub const REGISTRATIONS: [Registration; 3] =
    [league_smart_league::REGISTRATION, league_guangdong::REGISTRATION, league_fujian::REGISTRATION];

/// The parts that both the daemon and the command line use.
pub struct App {
    /// The outbox.
    pub store: Store,
    /// Opens and seals.
    pub sealer: Arc<Sealer>,
    /// Where things go.
    pub routes: Arc<Routes>,
    /// The systems.
    pub partners: Arc<Partners>,
    /// What time it is.
    pub clock: Clock,
    /// Rung when something changed.
    pub bells: Bells,
    /// The one validation.
    pub intake: Intake,
    /// Answers about organizations.
    pub organizations: Organizations,
    /// Cancelled when the daemon is to stop.
    pub stop: CancellationToken,
    /// This run of this daemon: its name and something that no other run has.
    instance: Arc<str>,
    /// Upstream's addresses that are told of events.
    webhooks: Arc<[Target]>,
    settings: Settings,
}

/// A daemon that runs.
pub struct Daemon {
    /// Its tasks.
    pub lifecycle: Lifecycle,
    /// Where it listens, and for whom; upstream's address is the first.
    pub listening: Vec<Listening>,
}

/// An address that the daemon listens on.
#[derive(Debug, Clone)]
pub struct Listening {
    /// With scheme and port.
    pub url: String,
    /// Who is served there.
    pub faces: Faces,
    /// Its certificates, to be read anew.
    pub certificates: Option<Certificates>,
}

/// The systems of the configuration, with their adapters and connections.
///
/// # Errors
/// The system whose adapter or certificates can't be used.
pub fn partners(settings: &Settings, sealer: &Sealer) -> anyhow::Result<Partners> {
    use_provider();
    let mut partners = Partners::new();
    for (name, system) in &settings.systems {
        let partner = partner(name, system, sealer).with_context(|| format!("systems.{name}"))?;
        partners.insert(partner.system.clone(), Arc::new(partner));
    }
    Ok(partners)
}

/// One system of the configuration.
///
/// # Errors
/// Its adapter or its certificates can't be used.
pub fn partner(name: &'static str, system: &SystemSettings, sealer: &Sealer) -> anyhow::Result<Partner> {
    use_provider();
    let link = link(system, sealer)?;
    let following =
        Following { completion: link.adapter.capabilities().completion, ..system.policy.following };
    let policy = Policy { following, ..system.policy };
    Ok(Partner::new(System::named(name), system.registration, link, policy, system.limits.clone()))
}

/// Uses the one provider of cryptography. It is the process's: a second one is refused, and the first stays.
pub fn use_provider() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// How a system is spoken to, with what the configuration and its files say now.
fn link(system: &SystemSettings, sealer: &Sealer) -> anyhow::Result<Link> {
    let mut credentials = system.identity.as_bytes().to_vec();
    for secret in &system.secrets {
        credentials.push(0);
        credentials.extend_from_slice(secret.expose());
    }
    let mut certificates = Vec::new();
    let Endpoint { ca_file, client_identity, .. } = &system.endpoint;
    let identity = client_identity.iter().flat_map(|(certificate, key)| [certificate, key]);
    for path in ca_file.iter().chain(identity) {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        certificates.extend_from_slice(&bytes.len().to_be_bytes());
        certificates.extend_from_slice(&bytes);
    }
    Ok(Link {
        adapter: system.adapter()?,
        transport: Transport::new(&system.endpoint)?,
        credentials: sealer.digest("credentials", &credentials),
        certificates: sealer.digest("certificates", &certificates),
    })
}

/// What became of one system when the configuration was read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reloaded {
    /// Other secrets are used from now on.
    Secrets(System),
    /// Messages to an address of upstream's are signed with others.
    WebhookSecrets(String),
    /// Other certificates are.
    Certificates(System),
    /// They can't be used: the old ones stay.
    Refused(System, String),
    /// A key of the configuration that a restart alone takes over.
    NeedsRestart(String),
}

/// Where transfers go: the configuration's file, or the built-in one.
///
/// # Errors
/// A file that can't be read, or says what can't be.
pub fn routes(settings: &Settings) -> anyhow::Result<Routes> {
    let Some(path) = &settings.routes_file else { return Ok(Routes::parse(routing::BUILT_IN)?) };
    let text = std::fs::read_to_string(path).with_context(|| format!("routing.file {}", path.display()))?;
    Routes::parse(&text).with_context(|| path.display().to_string())
}

/// The way to one of upstream's addresses.
///
/// # Errors
/// A certificate file that can't be used.
fn webhook_transport(target: &Target) -> anyhow::Result<Transport> {
    use_provider();
    Transport::new(&target.endpoint).with_context(|| format!("webhooks.{}", target.name))
}

/// A name for this run: a restart under the same name is another run, and knows what the one before has left.
fn instance(worker: &str) -> Arc<str> {
    let run = hex::encode(&fresh_nonce().0[..4]);
    format!("{worker}/{run}").into()
}

impl App {
    /// Opens the store, which is made where there is none, and prepares everything; starts nothing, contacts nobody.
    ///
    /// # Errors
    /// What of the configuration can't be used.
    pub async fn open(settings: Settings, clock: Clock) -> anyhow::Result<Self> {
        let store = Store::connect(&settings.database_url).await?;
        Self::over(store, settings, clock)
    }

    /// As [`App::open`], over a store that is there.
    ///
    /// # Errors
    /// As [`App::open`]; [`StoreError::Schema`] where there is no database.
    pub async fn open_existing(settings: Settings, clock: Clock) -> anyhow::Result<Self> {
        let store = Store::open(&settings.database_url).await?;
        Self::over(store, settings, clock)
    }

    fn over(store: Store, settings: Settings, clock: Clock) -> anyhow::Result<Self> {
        let routes = Arc::new(routes(&settings)?);
        let sealer = Arc::new(Sealer::new(&settings.privacy_keys, &settings.index_key)?);
        let partners = Arc::new(partners(&settings, &sealer)?);
        let bells = Bells::default();
        let organizations = Organizations::new(LocalDirectory::at(settings.directory.clone()), clock.clone());
        let intake = Intake {
            store: store.clone(),
            sealer: sealer.clone(),
            routes: routes.clone(),
            partners: partners.clone(),
            organizations: organizations.clone(),
            clock: clock.clone(),
            bells: bells.clone(),
            // A run that was killed may have left clear text in the log.
            log_dirty: Arc::new(AtomicBool::new(true)),
        };
        Ok(Self {
            store,
            sealer,
            routes,
            partners,
            clock,
            bells,
            intake,
            organizations,
            stop: CancellationToken::new(),
            instance: instance(&settings.worker_id),
            webhooks: settings.webhooks.clone().into(),
            settings,
        })
    }

    /// The configuration.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What every piece of delivery work needs.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        Delivery {
            store: self.store.clone(),
            sealer: self.sealer.clone(),
            clock: self.clock.clone(),
            bells: self.bells.clone(),
            organizations: self.organizations.clone(),
            worker: self.instance.clone(),
            lease: self.settings.lease,
        }
    }

    /// What tells upstream's addresses of events.
    ///
    /// # Errors
    /// An address whose certificates can't be used.
    pub fn webhook_senders(&self) -> anyhow::Result<Vec<Sender>> {
        let names: Arc<[String]> = self.webhooks.iter().map(|target| target.name.clone()).collect();
        let sender = |target: &Target| {
            let transport = webhook_transport(target)?;
            let parts = (self.store.clone(), self.clock.clone(), self.bells.news.clone());
            Ok(Sender::new(target.clone(), transport, names.clone(), parts))
        };
        self.webhooks.iter().map(sender).collect()
    }

    /// What an operator does to upstream's addresses.
    #[must_use]
    pub fn webhook_desk(&self) -> webhook::Desk {
        webhook::Desk {
            store: self.store.clone(),
            sealer: self.sealer.clone(),
            clock: self.clock.clone(),
            targets: self.webhooks.clone(),
        }
    }

    /// What an operator does.
    #[must_use]
    pub fn operator(&self) -> Operator {
        Operator { intake: self.intake.clone() }
    }

    /// The driver of one system.
    #[must_use]
    pub fn driver(&self, partner: &Arc<Partner>) -> Driver {
        Driver {
            delivery: self.delivery(),
            partner: partner.clone(),
            poll_interval: self.settings.poll_interval,
        }
    }

    /// The reader of one system's feed.
    #[must_use]
    pub fn feed(&self, partner: &Arc<Partner>) -> Feed {
        Feed {
            partner: partner.clone(),
            store: self.store.clone(),
            sealer: self.sealer.clone(),
            clock: self.clock.clone(),
            bells: self.bells.clone(),
            failing: AtomicBool::new(false),
        }
    }

    /// What takes back abandoned work.
    #[must_use]
    pub fn sweeper(&self) -> Sweeper {
        Sweeper {
            store: self.store.clone(),
            partners: self.partners.clone(),
            sealer: self.sealer.clone(),
            clock: self.clock.clone(),
            bells: self.bells.clone(),
            // Three looks must agree that a daemon is gone: within three seconds.
            interval: SignedDuration::from_millis(750),
            upkeep: self.upkeep(),
        }
    }

    /// What the daemon that leads does beside its work.
    #[must_use]
    pub fn upkeep(&self) -> Upkeep {
        Upkeep::new(self.retention(), self.rotation(), &self.instance)
    }

    /// What erases personal data after its time.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention { store: self.store.clone(), sealer: self.sealer.clone(), keep: self.settings.retention }
    }

    /// What seals everything anew.
    #[must_use]
    pub fn rotation(&self) -> Rotation {
        Rotation { store: self.store.clone(), sealer: self.sealer.clone() }
    }

    /// What the HTTP face needs.
    #[must_use]
    pub fn api(&self, metrics: Option<PrometheusHandle>) -> Arc<ApiState> {
        Arc::new(ApiState {
            store: self.store.clone(),
            intake: self.intake.clone(),
            routes: self.routes.clone(),
            partners: self.partners.clone(),
            clock: self.clock.clone(),
            bells: self.bells.clone(),
            receiver: Receiver::new(
                self.store.clone(),
                self.sealer.clone(),
                self.clock.clone(),
                self.bells.clone(),
            ),
            organizations: self.organizations.clone(),
            webhooks: self.webhook_desk(),
            rates: Rates::new(self.settings.http.rate_per_second),
            verifying: Semaphore::new(1),
            public_url: self.settings.public_url.clone(),
            stop: self.stop.clone(),
            metrics,
        })
    }

    /// Starts the daemon: takes the database, takes back what an earlier run left, and begins to serve and deliver.
    ///
    /// # Errors
    /// A schema that is not this program's, another daemon on the same file, an address that is taken.
    pub async fn start(&self, metrics: Option<PrometheusHandle>) -> anyhow::Result<Daemon> {
        if self.store.schema().await? == SchemaState::Empty {
            self.store.prepare(&self.sealer).await?;
        }
        self.store.require_current().await?;
        let fits = async { self.store.read("keys").await?.require_keys(&self.sealer).await };
        if let Ok(Err(problem)) = fits.await {
            tracing::error!(
                problem,
                "what is stored last does not fit these keys: see `doctor` and `keys status`"
            );
        }
        // Before the first delivery: names go out as they are written there.
        self.organizations.directory.look();
        let sweeper = self.sweeper();
        let worker = &self.settings.worker_id;
        let presence = self.store.appear(self.instance.clone(), worker, self.clock.now()).await?;
        if self.store.is_one_daemons() {
            sweeper.rescue_all().await?;
        }
        for run in presence.earlier_runs(&self.store).await? {
            sweeper.bury(&run).await?;
        }
        let leads = presence.leads();
        let listeners = self.bind()?;
        let lifecycle = Lifecycle::new(self.stop.clone());
        let drivers = TaskTracker::new();
        for partner in self.partners.values() {
            lift_if_credentials_changed(&self.store, partner, self.clock.now()).await?;
            lifecycle.spawn(drivers.track_future(self.driver(partner).run(lifecycle.stop.clone())));
            if matches!(partner.capabilities().events, EventSource::Feed { .. }) {
                lifecycle.spawn(self.feed(partner).run(leads.clone(), lifecycle.stop.clone()));
            }
        }
        drivers.close();
        lifecycle.spawn(sweeper.run(presence, lifecycle.stop.clone(), drivers));
        let stop = lifecycle.stop.clone();
        lifecycle.spawn(self.operator().run_bulks(leads.clone(), self.settings.poll_interval, stop));
        for sender in self.webhook_senders()? {
            lifecycle.spawn(sender.run(leads.clone(), self.settings.poll_interval, lifecycle.stop.clone()));
        }
        lifecycle.spawn(self.drain_intake(leads, lifecycle.clone()));
        lifecycle.spawn(self.listen(lifecycle.stop.clone()));
        let (directory, poll) = (self.organizations.directory.clone(), self.settings.poll_interval);
        lifecycle.spawn(directory.watch(self.clock.clone(), poll, lifecycle.stop.clone()));
        let listening = self.serve(listeners, metrics, &lifecycle);
        tracing::info!(
            systems = self.partners.len(),
            worker = self.settings.worker_id,
            "league-gateway runs"
        );
        Ok(Daemon { lifecycle, listening })
    }

    /// Takes the addresses, upstream's first.
    fn bind(&self) -> anyhow::Result<Vec<(Bound, Faces)>> {
        let http = &self.settings.http;
        let (callbacks, operator) = (http.callbacks.is_some(), http.operator.is_some());
        let main = Faces { upstream: true, callbacks: !callbacks, operator: !operator };
        let none = Faces { upstream: false, callbacks: false, operator: false };
        let all = [
            Some((&http.upstream, main, "http")),
            http.callbacks.as_ref().map(|own| (own, Faces { callbacks: true, ..none }, "http.callbacks")),
            http.operator.as_ref().map(|own| (own, Faces { operator: true, ..none }, "http.operator")),
        ];
        use_provider();
        let bind = |(address, faces, key)| Ok((Bound::bind(address).context(key)?, faces));
        all.into_iter().flatten().map(bind).collect()
    }

    /// Answers on all addresses until the daemon stops.
    fn serve(
        &self,
        listeners: Vec<(Bound, Faces)>,
        metrics: Option<PrometheusHandle>,
        lifecycle: &Lifecycle,
    ) -> Vec<Listening> {
        // Of each address: whoever fills the partners' leaves the operators' and the probes alone.
        let connections = self.settings.http.max_connections;
        let state = self.api(metrics);
        let serve = |(bound, faces): (Bound, Faces)| {
            let listening = Listening { url: bound.url(), faces, certificates: bound.certificates() };
            tracing::info!(url = listening.url, %faces, "listening");
            let router = api::router(state.clone(), faces);
            let serving = bound.serve(router, connections, lifecycle.stop.clone());
            lifecycle.spawn(async move {
                if let Err(error) = serving.await {
                    tracing::error!(%error, "a listener failed");
                }
            });
            listening
        };
        listeners.into_iter().map(serve).collect()
    }

    /// Takes over secrets and certificates of systems from a configuration that was read anew; exchanges under way end with the old
    /// ones, and a suspension for refused credentials is lifted. What else has changed is left to a restart.
    ///
    /// # Errors
    /// [`StoreError`] where a suspension could not be lifted; what was taken over stays so.
    pub async fn reload(&self, new: &Settings) -> Result<Vec<Reloaded>, StoreError> {
        let mut done = Vec::new();
        for (name, before) in &self.settings.systems {
            let Some(after) = new.systems.get(name) else { continue };
            let Some(partner) = self.partners.get(&System::named(name)) else { continue };
            let system = || partner.system.clone();
            match link(&before.with_secrets_of(after), &self.sealer) {
                Err(error) => done.push(Reloaded::Refused(system(), format!("{error:#}"))),
                Ok(link) => {
                    let old = partner.link();
                    let [secrets, certificates] =
                        [link.credentials != old.credentials, link.certificates != old.certificates];
                    if secrets || certificates {
                        partner.relink(link);
                    }
                    if secrets {
                        lift_if_credentials_changed(&self.store, partner, self.clock.now()).await?;
                        done.push(Reloaded::Secrets(system()));
                    }
                    if certificates {
                        done.push(Reloaded::Certificates(system()));
                    }
                }
            }
        }
        if !done.is_empty() {
            self.bells.changed();
        }
        for target in self.webhooks.iter() {
            let Some(after) = new.webhooks.iter().find(|after| after.name == target.name) else { continue };
            if (&after.endpoint.origin, &after.path) != (&target.endpoint.origin, &target.path) {
                // The new address's secrets are not the old one's business.
                done.push(Reloaded::NeedsRestart(format!("webhooks.{}.url", target.name)));
            } else if target.secrets.take_over(&after.secrets) {
                done.push(Reloaded::WebhookSecrets(target.name.clone()));
            }
        }
        let keys = [
            ("privacy.keys", new.privacy_keys != self.settings.privacy_keys),
            ("privacy.index_key", new.index_key != self.settings.index_key),
            ("database.url", new.database_url != self.settings.database_url),
        ];
        let changed = keys.into_iter().filter(|(_, changed)| *changed);
        done.extend(changed.map(|(key, _)| Reloaded::NeedsRestart(key.to_owned())));
        Ok(done)
    }

    /// Hears what other processes announce.
    fn listen(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let bells = self.bells.clone();
        let (store, clock) = (self.store.clone(), self.clock.clone());
        async move {
            stop.run_until_cancelled(store.listen(bells, clock)).await;
        }
    }

    fn drain_intake(&self, leads: Leads, lifecycle: Lifecycle) -> impl Future<Output = ()> + Send + 'static {
        let (intake, clock, poll) = (self.intake.clone(), self.clock.clone(), self.settings.poll_interval);
        let mut rung = self.bells.intake.listen();
        async move {
            while !lifecycle.stop.is_cancelled() {
                // One daemon drains it, so that rows are taken in their order.
                let drained = if leads.yes() { intake.drain_table(500).await } else { Ok(0) };
                let taken = drained.unwrap_or_else(|error| {
                    tracing::error!(%error, "the intake table could not be read: trying again");
                    0
                });
                if taken == 0 {
                    tokio::select! {
                        () = lifecycle.stop.cancelled() => {}
                        () = rung.wait(&clock, poll) => {}
                    }
                }
            }
        }
    }
}
