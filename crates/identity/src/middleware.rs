//! Turns the `Authorization` header into an [`credence_core::Actor`] in the request. Without the header the caller is the public; a header
//! that does not hold is refused, even where the public may go: whoever shows papers wants them looked at.

use crate::model::TOKEN_REFUSED;
use crate::service::Identity;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, web};
use credence_core::problem::Problem;
use credence_web::{ApiError, set_actor};

/// The middleware function.
pub async fn authenticate(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(header) = request.headers().get(AUTHORIZATION) {
        let bearer = header.to_str().ok().and_then(|h| h.strip_prefix("Bearer ").or_else(|| h.strip_prefix("bearer "))).map(str::trim);
        let found = match (bearer, request.app_data::<web::Data<Identity>>()) {
            (Some(bearer), Some(identity)) => identity.authenticate(bearer).await,
            (None, _) => Err(Problem::new(&TOKEN_REFUSED)),
            (_, None) => Err(Problem::internal("identity is not mounted")),
        };
        match found {
            Ok(actor) => set_actor(&request, actor),
            Err(problem) => return Ok(request.error_response(ApiError(problem))),
        }
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}
