//! Who may do what.

use std::fmt;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, ToSchema};

use super::Managed;
use super::problem::Problem;
use crate::cache::Cache;

/// What a token may be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Scope {
    /// Counters, health, the report and jobs, without keys.
    Statistics,
    /// Names of keys, which may tell who somebody's customers are.
    Keys,
    /// What is stored under a key.
    Values,
    /// Making answers old, one or all.
    Clear,
    /// Switching off and on, and running jobs.
    Operate,
}

/// Some scopes.
#[derive(Clone, Copy, Default)]
pub(super) struct Scopes(u8);

impl Scopes {
    pub(super) fn all(self) -> impl Iterator<Item = Scope> {
        use Scope::{Clear, Keys, Operate, Statistics, Values};
        let all = [Statistics, Keys, Values, Clear, Operate];
        all.into_iter().filter(move |scope| self.has(*scope))
    }

    fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let bits = scopes.into_iter().map(|scope| 1 << scope as u8);
        Self(bits.fold(0, |all, bit: u8| all | bit))
    }
}

/// A bearer token, whose it is, and what for. `Debug` does not show it.
#[derive(Clone)]
pub struct Token {
    name: Arc<str>,
    /// Of its secret, so that comparing two takes the same time whatever they are, and how long.
    hash: [u8; 32],
    scopes: Scopes,
}

impl Token {
    /// A token of this secret, which may do [nothing yet](Self::may). `name` stands in the audit. A secret is long and random, such as 32 bytes from
    /// `openssl rand -hex 32`.
    ///
    /// # Panics
    /// When the secret is empty: an environment variable that is not set must not open the door.
    pub fn new(name: &str, secret: impl AsRef<str>) -> Self {
        assert!(
            !secret.as_ref().is_empty(),
            "the secret of the token `{name}` is empty"
        );
        Self {
            name: name.into(),
            hash: Sha256::digest(secret.as_ref()).into(),
            scopes: Scopes::default(),
        }
    }

    /// What it may do.
    #[must_use]
    pub fn may(mut self, scopes: impl IntoIterator<Item = Scope>) -> Self {
        self.scopes = scopes.into_iter().collect();
        self
    }
}

/// All tokens.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    pub(super) tokens: Vec<Token>,
    pub(super) anyone: Scopes,
}

/// Lets pass who has a scope.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) access: Arc<Access>,
    /// `None`: any will do.
    pub(super) scope: Option<Scope>,
}

/// Who was let pass.
#[derive(Clone)]
pub(super) struct Visitor {
    name: Arc<str>,
    scopes: Scopes,
}

impl Visitor {
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.scopes.has(scope)
    }

    pub(super) fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.scopes.all()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The cache in the visitor's name.
    pub(super) fn cache(&self, cache: &Cache) -> Cache {
        cache.by(&self.name)
    }
}

impl Access {
    /// Who shows `headers`: those without a token that is right are nobody in particular.
    fn visitor(&self, headers: &HeaderMap) -> Option<Visitor> {
        let token = headers.get(AUTHORIZATION).and_then(|value| {
            let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
            let shown: [u8; 32] = Sha256::digest(secret.trim()).into();
            let bearer = scheme.eq_ignore_ascii_case("bearer");
            self.named(&shown).filter(|_| bearer)
        });
        token.map(|token| Visitor {
            name: token.name.clone(),
            scopes: Scopes(token.scopes.0 | self.anyone.0),
        })
    }

    /// Looks at each, so that the time tells nobody how near he was.
    fn named(&self, shown: &[u8; 32]) -> Option<&Token> {
        let mut found = None;
        for token in &self.tokens {
            let same: Choice = token.hash.ct_eq(shown);
            if same.into() {
                found = Some(token);
            }
        }
        found
    }
}

/// Lets a request pass that may do what it asks for.
pub(super) async fn permit(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let visitor = guard.access.visitor(request.headers());
    let known = visitor.is_some();
    let visitor = visitor.unwrap_or(Visitor {
        name: "anyone".into(),
        scopes: guard.access.anyone,
    });
    let may = match guard.scope {
        Some(scope) => visitor.may(scope),
        None => visitor.scopes().next().is_some(),
    };
    if !may {
        return Err(match known {
            true => Problem::forbidden(guard.scope),
            false => Problem::unauthorized(),
        });
    }
    request.extensions_mut().insert(visitor);
    Ok(next.run(request).await)
}

/// Lets so many in as can be answered.
pub(super) async fn admit(
    State(managed): State<Arc<Managed>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let _place = managed.places.try_acquire().map_err(|_| Problem::busy())?;
    Ok(next.run(request).await)
}

/// Who was let pass, for handlers.
pub(super) type Who = Extension<Visitor>;

/// How tokens are shown, for the document.
pub(super) struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", bearer);
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.all()).finish()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
