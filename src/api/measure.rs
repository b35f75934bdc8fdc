//! Counts requests and how long they took, by the route that they matched: labels are as many as there are routes.

use crate::clock::Clock;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

pub(super) async fn measure(State(clock): State<Clock>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| "other".to_owned());
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        _ => "other",
    };
    let begun = clock.now();
    let response = next.run(request).await;
    let took = clock.now().duration_since(begun).as_secs_f64().max(0.0);
    let status = response.status().as_str().to_owned();
    metrics::counter!("league_gateway_http_requests_total", "route" => route.clone(), "method" => method, "status" => status)
        .increment(1);
    metrics::histogram!("league_gateway_http_request_seconds", "route" => route, "method" => method)
        .record(took);
    response
}
