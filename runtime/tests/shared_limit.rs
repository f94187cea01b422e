//! The bound on the number of shared maps of an app.
//!
//! Owns: one engine. Must not know: the store.

use std::sync::Arc;
use std::time::Duration;

use rquickjs::Module;
use runtime::js::code::Code;
use runtime::js::engine::{Engine, EngineLimits, Pulse};
use runtime::modules::TABLE;

#[test]
fn the_number_of_maps_is_bounded() {
    let limits = EngineLimits {
        heap_bytes_max: 64 << 20,
        stack_bytes_max: 256 << 10,
        turn_cpu_max: Duration::from_secs(60),
    };
    let code = Arc::new(Code::new("/app.js".into()));
    let engine =
        Engine::new(&limits, &TABLE, code, Pulse::default(), Box::new(|_, _| {})).expect("an engine");
    let source = r#"
        import shared from "jsserve:shared"
        let n = 0, thrown
        try { for (; n < 2000; n++) shared.map("map " + n) } catch (error) { thrown = error }
        shared.map("map 7").incr("still usable")
        globalThis.result = `${n} ${thrown.name} ${thrown.code} ${thrown instanceof RangeError}`
    "#;
    engine.turn(|ctx| Module::evaluate(ctx.clone(), "/main.js", source).map(drop).expect("the module"));
    let result: String = engine.turn(|ctx| ctx.globals().get("result").expect("the result"));
    assert_eq!(result, "1000 SharedMapsError ERR_SHARED_MAPS true");
}
