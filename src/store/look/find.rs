//! How a page is found: by what leads to few transfers, else along an order in a stretch that is bounded.

use super::query::{Query, Served, Spot, WAITS};
use super::{Filter, SCATTERED, STRETCH, Sort};
use crate::store::StoreError;
use crate::store::counts::Standing;
use crate::store::tx::Tx;
use crate::transfer::State;

/// What leads to no more transfers than this is read whole, and sorted.
const FEW: i64 = 2_000;
/// Lists of one state are walked instead of all transfers where these are so many times as many: what lies scattered costs more
/// to look at than what lies side by side.
const RARE: i64 = 50;
const HOUR: i64 = 3_600_000;

/// What a page shows, and how far it looked, where that was not to the end.
pub(super) struct Found {
    pub(super) spots: Vec<Spot>,
    pub(super) searched: Option<Spot>,
}

impl Found {
    const NOTHING: Self = Self { spots: Vec::new(), searched: None };
}

/// Rows that an index has in the order of their keys.
enum Lane<'a> {
    All,
    Held,
    Standing { system: &'a str, state: State },
}

impl<'a> Lane<'a> {
    const fn served(&self) -> Served {
        match self {
            Self::All => Served::Nothing,
            Self::Held => Served::Held,
            Self::Standing { .. } => Served::Standing,
        }
    }

    fn condition(&self, query: Query<'a>) -> Query<'a> {
        match self {
            Self::All => query.text("TRUE"),
            Self::Held => query.text("transfers.held IS NOT NULL"),
            Self::Standing { system, state } => {
                let query = query.text("transfers.system = ").value(*system);
                query.text(" AND transfers.state IN (").states(&[*state]).text(")")
            }
        }
    }
}

/// Keys from one to another, both in it.
#[derive(Clone, Copy)]
struct Keys {
    first: i64,
    last: i64,
}

/// What a page of keys is looked for with.
struct Walk<'a> {
    filter: &'a Filter,
    descends: bool,
    keys: Keys,
}

impl<'a> Walk<'a> {
    /// A query for keys of a lane within the range.
    fn begin(&self, lane: &Lane<'a>) -> Query<'a> {
        let query = lane.condition(Query::default().text("SELECT id, id FROM transfers WHERE "));
        let query = query.text(" AND id >= ").value(self.keys.first);
        query.text(" AND id <= ").value(self.keys.last)
    }

    const fn order(&self) -> &'static str {
        if self.descends { " ORDER BY id DESC LIMIT " } else { " ORDER BY id LIMIT " }
    }

    /// The keys up to a bound, as seen from where the walk begins.
    const fn up_to(&self, bound: i64) -> Keys {
        let Keys { first, last } = self.keys;
        if self.descends { Keys { first: bound, last } } else { Keys { first, last: bound } }
    }

    /// Whether it asks for more than the lane has.
    fn narrows(&self, lane: &Lane<'a>) -> bool {
        Query::default().narrowed(self.filter, lane.served()).is_longer_than("")
    }
}

impl Tx {
    /// Up to `count` transfers in order, behind a place.
    pub(super) async fn find(
        &mut self,
        filter: &Filter,
        sort: Sort,
        after: Option<Spot>,
        count: usize,
    ) -> Result<Found, StoreError> {
        let standing = self.standing().await?;
        let systems = systems(filter, &standing);
        if let Some(few) = self.few(filter, sort, &systems, &standing).await? {
            return self.among(few, filter, (sort, after), count).await;
        }
        match sort {
            Sort::Newest | Sort::Oldest => {
                let lanes = lanes(filter, &systems, &standing);
                self.by_key(filter, (sort, after), count, &lanes).await
            }
            Sort::Updated => self.by_line(filter, after, count).await,
            // What is held waits for no time.
            Sort::Due if filter.held == Some(true) => Ok(Found::NOTHING),
            Sort::Due => self.by_due(filter, after, count, &systems).await,
        }
    }

    /// A query for few transfers that all of the wanted are among, if something leads to them.
    async fn few<'a>(
        &mut self,
        filter: &'a Filter,
        sort: Sort,
        systems: &'a [String],
        standing: &[Standing],
    ) -> Result<Option<Query<'a>>, StoreError> {
        let by_key = matches!(sort, Sort::Newest | Sort::Oldest);
        let select = || Query::default().text("SELECT id FROM transfers WHERE ");
        let mut leads: Vec<Box<dyn Fn() -> Query<'a> + Send>> = Vec::new();
        if let Some(person) = &filter.person {
            let people = || Query::default().text("SELECT transfer_id AS id FROM people WHERE person = ");
            leads.push(Box::new(move || people().value(person.0.as_slice())));
        }
        if let Some(prefix) = &filter.request_id {
            leads.push(Box::new(move || select().begins(prefix)));
        }
        if filter.held == Some(true) && !by_key {
            leads.push(Box::new(move || select().text("transfers.held IS NOT NULL")));
        }
        // By key, an index has them in order.
        if !filter.states.is_empty() && !by_key && number_of(filter, standing) <= FEW {
            leads.push(Box::new(move || {
                let query = select().text("transfers.system IN (").list(systems);
                query.text(") AND transfers.state IN (").states(&filter.states).text(")")
            }));
        }
        if let Some(at) = filter.due_by.filter(|_| !systems.is_empty()) {
            leads.push(Box::new(move || {
                let query = select().text("transfers.system IN (").list(systems).text(") AND ").text(WAITS);
                query.text(" AND transfers.due_at <= ").value(at.as_millisecond())
            }));
        }
        for lead in leads {
            let probe = lead()
                .text(" LIMIT ")
                .value(FEW + 1)
                .within("SELECT COUNT(*), COUNT(*) FROM (", ") AS probed");
            if self.spots(&probe).await?.first().is_some_and(|found| found.place <= FEW) {
                return Ok(Some(lead()));
            }
        }
        Ok(None)
    }

    /// Of few transfers those that are wanted, sorted.
    async fn among(
        &mut self,
        few: Query<'_>,
        filter: &Filter,
        (sort, after): (Sort, Option<Spot>),
        count: usize,
    ) -> Result<Found, StoreError> {
        let place = match sort {
            Sort::Newest | Sort::Oldest => "transfers.id",
            Sort::Updated => "(SELECT MAX(cursor) FROM events WHERE events.transfer_id = transfers.id)",
            Sort::Due => "transfers.due_at",
        };
        // The few are found first; a database that thinks of the page's end first would look through all for them.
        let query = few.within("WITH few AS MATERIALIZED (", ") SELECT place, id FROM (SELECT ");
        let query = query
            .text(place)
            .text(" AS place, transfers.id AS id FROM few CROSS JOIN transfers WHERE transfers.id = few.id");
        let query = if sort == Sort::Due { query.text(" AND ").text(WAITS) } else { query };
        let query = query.narrowed(filter, Served::Nothing).text(") AS found");
        let query = match after {
            None => query,
            Some(Spot { place, id }) => {
                let beyond =
                    if sort.descends() { " WHERE (place, id) < (" } else { " WHERE (place, id) > (" };
                query.text(beyond).value(place).text(", ").value(id).text(")")
            }
        };
        let order = if sort.descends() {
            " ORDER BY place DESC, id DESC LIMIT "
        } else {
            " ORDER BY place, id LIMIT "
        };
        let spots = self.spots(&query.text(order).value(rows(count))).await?;
        Ok(Found { spots, searched: None })
    }

    /// Along the keys, which is in the order of coming in.
    async fn by_key(
        &mut self,
        filter: &Filter,
        (sort, after): (Sort, Option<Spot>),
        count: usize,
        lanes: &[Lane<'_>],
    ) -> Result<Found, StoreError> {
        let Some(mut keys) = self.keys(filter).await? else { return Ok(Found::NOTHING) };
        match after {
            Some(spot) if sort.descends() => keys.last = keys.last.min(spot.id.saturating_sub(1)),
            Some(spot) => keys.first = keys.first.max(spot.id.saturating_add(1)),
            None => {}
        }
        let walk = Walk { filter, descends: sort.descends(), keys };
        let bound =
            if lanes.iter().any(|lane| walk.narrows(lane)) { self.bound(&walk, lanes).await? } else { None };
        let walk = Walk { keys: bound.map_or(keys, |bound| walk.up_to(bound)), ..walk };
        let mut spots = Vec::new();
        for lane in lanes {
            let query =
                walk.begin(lane).narrowed(filter, lane.served()).text(walk.order()).value(rows(count));
            spots.extend(self.spots(&query).await?);
        }
        spots.sort_unstable();
        if walk.descends {
            spots.reverse();
        }
        spots.truncate(count);
        Ok(Found { spots, searched: bound.map(|id| Spot { place: id, id }) })
    }

    /// The keys that there are, of the hours that a filter asks for; nothing where there are none.
    async fn keys(&mut self, filter: &Filter) -> Result<Option<Keys>, StoreError> {
        let hour = |at: jiff::Timestamp| at.as_millisecond() / HOUR * HOUR;
        let (from, before) =
            (filter.created_from.map(hour), filter.created_before.map(|at| at.as_millisecond()));
        if from.is_none() && before.is_none() {
            // Each by itself is the end of an index; both at once would be a look at all.
            let ends = "SELECT (SELECT MIN(id) FROM transfers), (SELECT MAX(id) FROM transfers) \
                        WHERE EXISTS (SELECT 1 FROM transfers)";
            let found = self.spots(&Query::default().text(ends)).await?;
            return Ok(found.first().map(|found| Keys { first: found.place, last: found.id }));
        }
        let mut query = Query::default().text("SELECT MIN(first_id), MAX(last_id) FROM arrivals WHERE TRUE");
        if let Some(from) = from {
            query = query.text(" AND hour >= ").value(from);
        }
        if let Some(before) = before {
            query = query.text(" AND hour < ").value(before);
        }
        // Without a row there is neither first nor last.
        let query = query.text(" HAVING COUNT(*) > 0");
        Ok(self.spots(&query).await?.first().map(|found| Keys { first: found.place, last: found.id }))
    }

    /// How far a page looks along its lanes; nothing where that is to their end.
    async fn bound(&mut self, walk: &Walk<'_>, lanes: &[Lane<'_>]) -> Result<Option<i64>, StoreError> {
        let share = SCATTERED / rows(lanes.len()).max(1);
        let mut bounds = Vec::new();
        for lane in lanes {
            if let Lane::All = lane {
                // The keys have hardly a gap, but where there is one the stretch begins behind it.
                let query = walk.begin(lane).text(walk.order()).value(1);
                let begin = self.spots(&query).await?.first().map(|spot| spot.id);
                bounds
                    .extend(begin.map(|id| if walk.descends { id - STRETCH + 1 } else { id + STRETCH - 1 }));
            } else {
                let query = walk.begin(lane).text(walk.order()).value(1).text(" OFFSET ").value(share - 1);
                bounds.extend(self.spots(&query).await?.first().map(|spot| spot.id));
            }
        }
        // All lanes are looked at as far as the one that came least far.
        let nearest = if walk.descends { bounds.into_iter().max() } else { bounds.into_iter().min() };
        Ok(nearest.filter(|bound| *bound > walk.keys.first && *bound < walk.keys.last))
    }

    /// Along the lines of all timelines, backwards: a transfer's last one is its place.
    async fn by_line(
        &mut self,
        filter: &Filter,
        after: Option<Spot>,
        count: usize,
    ) -> Result<Found, StoreError> {
        let ends =
            Query::default().text("SELECT COALESCE((SELECT MIN(cursor) FROM events), 1), COALESCE((SELECT MAX(cursor) FROM events), 0)");
        let Some(Spot { place: first, id: last }) = self.spots(&ends).await?.first().copied() else {
            return Ok(Found::NOTHING);
        };
        let last = after.map_or(last, |spot| last.min(spot.place.saturating_sub(1)));
        // Its cursors have hardly a gap.
        let bound = last.saturating_sub(SCATTERED - 1).max(first);
        let query = Query::default().text(
            "SELECT events.cursor, transfers.id FROM events CROSS JOIN transfers WHERE transfers.id = events.transfer_id \
             AND NOT EXISTS (SELECT 1 FROM events AS later WHERE later.transfer_id = events.transfer_id \
             AND later.cursor > events.cursor) AND events.cursor >= ",
        );
        let query = query.value(bound).text(" AND events.cursor <= ").value(last);
        let query = query.narrowed(filter, Served::Nothing);
        let spots = self.spots(&query.text(" ORDER BY events.cursor DESC LIMIT ").value(rows(count))).await?;
        let searched = (bound > first).then_some(Spot { place: bound, id: 0 });
        Ok(Found { spots, searched })
    }

    /// Along what is due, system by system.
    async fn by_due(
        &mut self,
        filter: &Filter,
        after: Option<Spot>,
        count: usize,
        systems: &[String],
    ) -> Result<Found, StoreError> {
        let begin = |system: &'_ String, bound: Option<Spot>| {
            let query = Query::default().text("SELECT due_at, id FROM transfers WHERE transfers.system = ");
            let mut query = query.value(system.clone()).text(" AND ").text(WAITS);
            if let Some(at) = filter.due_by {
                query = query.text(" AND due_at <= ").value(at.as_millisecond());
            }
            for (compared, spot) in [(" AND (due_at, id) > (", after), (" AND (due_at, id) <= (", bound)] {
                if let Some(Spot { place, id }) = spot {
                    query = query.text(compared).value(place).text(", ").value(id).text(")");
                }
            }
            query
        };
        let mut bound = None;
        if Query::default().narrowed(filter, Served::Due).is_longer_than("") {
            let share = SCATTERED / rows(systems.len()).max(1);
            for system in systems {
                let query = begin(system, None).text(" ORDER BY due_at, id LIMIT 1 OFFSET ").value(share - 1);
                let reached = self.spots(&query).await?.first().copied();
                bound = [bound, reached].into_iter().flatten().min();
            }
        }
        let mut spots = Vec::new();
        for system in systems {
            let query = begin(system, bound).narrowed(filter, Served::Due);
            spots.extend(self.spots(&query.text(" ORDER BY due_at, id LIMIT ").value(rows(count))).await?);
        }
        spots.sort_unstable();
        spots.truncate(count);
        Ok(Found { spots, searched: bound })
    }
}

/// The systems that may have what is wanted.
fn systems(filter: &Filter, standing: &[Standing]) -> Vec<String> {
    if let Some(system) = &filter.system {
        return vec![system.as_str().to_owned()];
    }
    let mut systems: Vec<String> = standing.iter().map(|one| one.system.clone()).collect();
    systems.dedup();
    systems
}

/// Whether those of a system in a state are wanted.
fn wants(filter: &Filter, one: &Standing) -> bool {
    filter.system.as_ref().is_none_or(|system| system.as_str() == one.system)
        && (filter.states.is_empty() || filter.states.iter().any(|state| state.as_str() == one.state))
}

/// How many are wanted by system and state alone.
fn number_of(filter: &Filter, standing: &[Standing]) -> i64 {
    standing.iter().filter(|one| wants(filter, one)).map(|one| one.number).sum()
}

/// The lanes that all of the wanted are in, the shortest that there are. The counts say which are short; what is in them does not
/// depend on the counts.
fn lanes<'a>(filter: &'a Filter, systems: &'a [String], standing: &[Standing]) -> Vec<Lane<'a>> {
    if filter.held == Some(true) {
        return vec![Lane::Held];
    }
    let total: i64 = standing.iter().map(|one| one.number).sum();
    let narrow = filter.system.is_some() || !filter.states.is_empty();
    if !narrow || number_of(filter, standing).saturating_mul(RARE) > total {
        return vec![Lane::All];
    }
    let states = if filter.states.is_empty() { State::ALL } else { &filter.states };
    let of = |system: &'a String| states.iter().map(move |state| Lane::Standing { system, state: *state });
    systems.iter().flat_map(of).collect()
}

fn rows(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
