//! The console: a page for people, which asks this API as any client does.
//!
//! The page itself says nothing of the cache, and so it needs no token. Whoever looks gives one, which the page keeps for as long as its tab is open, and sends with
//! each request. All of it is part of the program, and its addresses are relative: it works wherever the router is nested, also without a way out.

use axum::Router;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::Redirect;
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Nothing but what is listed here is loaded or asked, nobody shows the page inside another one, and no text becomes markup: keys and values are whatever somebody
/// has stored.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

macro_rules! files {
    ($($name:literal $kind:ident),* $(,)?) => {
        [$(($name, $kind, include_str!(concat!("console/", $name)))),*]
    };
}

pub(super) fn routes() -> Router {
    let files = files! {
        "console.css" CSS,
        "icon.svg" SVG,
        "api.js" SCRIPT,
        "chart.umd.min.js" SCRIPT,
        "charts.js" SCRIPT,
        "clear.js" SCRIPT,
        "confirm.js" SCRIPT,
        "console.js" SCRIPT,
        "elements.js" SCRIPT,
        "figures.js" SCRIPT,
        "functions.js" SCRIPT,
        "history.js" SCRIPT,
        "jobs.js" SCRIPT,
        "keys.js" SCRIPT,
        "recommendations.js" SCRIPT,
        "state.js" SCRIPT,
        "switches.js" SCRIPT,
        "theme.js" SCRIPT,
        "trends.js" SCRIPT,
    };
    let mut router = Router::new().route("/console", get(async || Redirect::to("console/")));
    let page = ("", HTML, include_str!("console/index.html"));
    for (name, kind, text) in [page].into_iter().chain(files) {
        let file = get(async move || (headers(kind), text));
        router = router.route(&format!("/console/{name}"), file);
    }
    router
}

fn headers(kind: &'static str) -> [(HeaderName, &'static str); 5] {
    [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ]
}
