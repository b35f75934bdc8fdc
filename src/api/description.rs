//! What the description of the interface says of every operation alike: refusals as problem documents, and who may call.

use super::ProblemDocument;
use super::systems::Switch;
use super::webhooks::WebhookAct;
use crate::operator::{Act, Turn};
use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Header, ObjectBuilder, Ref, RefOr, Response, Type};

/// The description, but for its paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "league-gateway",
        description = "Carries League members' transfers to organizations in other systems, once in effect.\n\n\
            Every refusal is a problem document (RFC 9457) in Chinese and English. A body is read as JSON whatever its \
            media type says. Fields that a body may leave out may be null. What a schema can't say (checksums, the year's \
            rule of a member number, which details a reason asks for, which names a province has) is answered with 422. \
            The doors of the external systems, `/callbacks/…`, speak their own profiles and are not described here."
    ),
    tags(
        (name = "transfers", description = "Upstream: take in, follow, amend, take back."),
        (name = "events", description = "Upstream: what happened, from a cursor."),
        (name = "organizations", description = "Does an organization exist, and which are there?"),
        (name = "routes", description = "Which system takes whose transfers."),
        (name = "operator", description = "Operations: look, act, and who did what."),
    ),
    components(schemas(Act, ProblemDocument, Switch, Turn, WebhookAct)),
    security(("bearer" = [])),
    modifiers(&Bearer)
)]
pub(super) struct Description;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// What may be answered wherever a token is asked for.
const EVERYWHERE: [&str; 5] = ["401", "403", "429", "500", "503"];

const MEDIA_TYPE: &str = "application/problem+json";

/// Gives every operation the refusals that any may meet, and every refusal its form.
pub(super) fn complete(openapi: &mut utoipa::openapi::OpenApi) {
    for item in openapi.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        operations.into_iter().flatten().for_each(refusals);
    }
}

fn refusals(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    for status in EVERYWHERE {
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(Response::new("")));
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        if !status.starts_with(['4', '5']) {
            continue;
        }
        if response.description.is_empty() {
            meaning(status).clone_into(&mut response.description);
        }
        let problem = Ref::from_schema_name("ProblemDocument");
        response.content.clear();
        response.content.insert(MEDIA_TYPE.to_owned(), Content::new(Some(problem)).into());
        if status == "401" {
            let text = ObjectBuilder::new().schema_type(Type::String).build();
            let mut header = Header::new(text);
            header.description = Some("`Bearer`".to_owned());
            response.headers.insert("WWW-Authenticate".to_owned(), header.into());
        }
    }
}

fn meaning(status: &str) -> &'static str {
    match status {
        "400" => "It can't be read.",
        "401" => "There is no valid token.",
        "403" => "The token lacks the role.",
        "404" => "There is nothing of that name.",
        "409" => "What is known or the state does not allow it.",
        "413" => "The body is too large.",
        "422" => "A value is not valid.",
        "429" => "Slow down.",
        "500" => "The gateway failed; nothing was changed.",
        "503" => "Not now: try again later.",
        _ => "Refused.",
    }
}
