//! Who is calling. The identity middleware puts an [`Actor`] into the request; handlers take it out here.

use crate::problem::ApiError;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use credence_core::Actor;
use credence_core::problem::{Problem, UNAUTHENTICATED};
use std::future::{Ready, ready};

/// Puts the actor into the request; for the identity middleware only.
pub fn set_actor(request: &impl HttpMessage, actor: Actor) {
    request.extensions_mut().insert(actor);
}

/// A caller who proved who it is; 401 otherwise.
pub struct Caller(pub Actor);

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Actor>().cloned().map(Self).ok_or_else(|| ApiError(Problem::new(&UNAUTHENTICATED))))
    }
}

/// Whoever calls, the anonymous public included.
pub struct MaybeCaller(pub Option<Actor>);

impl FromRequest for MaybeCaller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.extensions().get::<Actor>().cloned())))
    }
}
