//! Routes, each behind a gate of its own that knows its address: so no request needs looking up what it was counted as.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler as _;
use axum::routing::MethodRouter;

use crate::app::App;
use crate::edge::{Gate, GateLayer};
use crate::problem::Problem;

/// What is served.
pub(super) struct Routes {
    app: Arc<App>,
    router: Router<Arc<App>>,
    paths: Vec<&'static str>,
}

impl Routes {
    pub(super) fn new(app: &Arc<App>) -> Self {
        let gate_of_the_rest = gate_for(app, "other", app.config.limits.requests);
        let router = Router::new().fallback((async || Problem::NotFound).layer(gate_of_the_rest));
        Self { app: app.clone(), router, paths: Vec::new() }
    }

    /// One more address.
    pub(super) fn add(self, path: &'static str, methods: MethodRouter<Arc<App>>) -> Self {
        let most = self.app.config.limits.requests;
        self.put(path, methods, most)
    }

    /// One that is answered however busy the server is: whoever watches it must not take it for dead.
    pub(super) fn add_always(self, path: &'static str, methods: MethodRouter<Arc<App>>) -> Self {
        self.put(path, methods, usize::MAX)
    }

    fn put(mut self, path: &'static str, methods: MethodRouter<Arc<App>>, most: usize) -> Self {
        let gated = methods.layer(gate_for(&self.app, path, most));
        self.router = self.router.route(path, gated);
        self.paths.push(path);
        self
    }

    /// Whether that address is served.
    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains(&path)
    }

    /// The addresses, in their order.
    #[cfg(test)]
    pub(super) fn paths(&self) -> &[&'static str] {
        &self.paths
    }

    pub(super) fn into_router(self, app: Arc<App>) -> Router {
        self.router.with_state(app)
    }
}

fn gate_for(app: &Arc<App>, route: &'static str, most: usize) -> GateLayer {
    GateLayer(Arc::new(Gate { app: app.clone(), counts: app.metrics.route(route), most }))
}
