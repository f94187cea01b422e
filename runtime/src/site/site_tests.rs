//! A site on a disk, read as at start.
//!
//! Owns: folders of files made for it. Must not know: what is told of requests.

use std::path::PathBuf;
use std::time::Instant;

use super::*;

const LIMITS: SiteLimits = SiteLimits { routes_max: 1_000, rules_max: 100 };

struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, files: &[(&str, &str)]) -> Folder {
        let folder = std::env::temp_dir().join(format!("jsserve-site-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            std::fs::write(path, text).expect("a file");
        }
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const ROUTE: &str = "export function GET() {}";

fn find(_name: &str, text: &[u8]) -> FoundHandlers {
    match text {
        text if text.starts_with(b"export default") => FoundHandlers::Default,
        text if text == ROUTE.as_bytes() => FoundHandlers::Named,
        _ => FoundHandlers::None,
    }
}

fn read(folder: &Folder) -> Result<Site> {
    Site::read(&folder.0, &LIMITS, find)
}

#[test]
fn the_nearest_of_literal_parameter_and_rest_answers_segment_by_segment() {
    let files = [
        "index.ts",
        "about.js",
        "blog/index.js",
        "blog/new.js",
        "blog/[id].js",
        "blog/[id]/edit.js",
        "(shop)/cart.ts",
        "docs/[...path].js",
        "docs/api/[name].js",
        "opt/[[...path]].js",
        "[user]/[repo].js",
        "data.json.js",
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|name| (*name, ROUTE)).collect();
    let folder = Folder::with("routes", &[&files[..], &[("app.js", "document.title = 1")]].concat());
    let site = read(&folder).expect("a site");
    for (path, expected) in [
        ("/", "index.ts"),
        ("/about", "about.js"),
        ("/about/", "about.js"),
        ("/%61bout", "about.js"),
        ("/About", ""),
        ("/about//", ""),
        ("//about", ""),
        ("/./about", ""),
        ("/index", ""),
        ("/blog", "blog/index.js"),
        ("/blog/new", "blog/new.js"),
        ("/blog/a%2Fb", "blog/[id].js id=a/b"),
        ("/blog/new/edit", "blog/[id]/edit.js id=new"),
        ("/cart", "(shop)/cart.ts"),
        ("/(shop)/cart", "[user]/[repo].js user=(shop) repo=cart"),
        ("/docs/a/b", "docs/[...path].js path=a,b"),
        ("/docs/api/x", "docs/api/[name].js name=x"),
        ("/docs/api/x/y", "docs/[...path].js path=api,x,y"),
        ("/docs", ""),
        ("/opt", "opt/[[...path]].js"),
        ("/opt/a%20b", "opt/[[...path]].js path=a b"),
        ("/ann/x", "[user]/[repo].js user=ann repo=x"),
        ("/ann/%ff", ""),
        ("/data.json", "data.json.js"),
        ("/app", ""),
        ("", ""),
    ] {
        let found = site.routes.find(path).map(|found| {
            let mut text = site.route(found.number).rel.clone();
            for (name, value) in found.params {
                let value = match value {
                    Param::One(value) => value,
                    Param::Many(values) => values.join(","),
                };
                text.push_str(&format!(" {name}={value}"));
            }
            text
        });
        assert_eq!(found.unwrap_or_default(), expected, "{path}");
    }
}

#[test]
fn middleware_and_errors_are_those_of_the_folders_above() {
    let folder = Folder::with(
        "chain",
        &[
            ("_middleware.js", ""),
            ("admin/_middleware.ts", ""),
            ("admin/_error.js", ""),
            ("(in)/_middleware.js", ""),
            ("(in)/admin/x.js", ROUTE),
            ("admin/page.html", ""),
            ("500.html", ""),
            ("admin/deep/500.html", ""),
        ],
    );
    let site = read(&folder).expect("a site");
    for (path, expected, errors, page) in [
        ("/", "_middleware.js", 0, Some("")),
        ("/nothing", "_middleware.js", 0, Some("")),
        ("/admin/page.html", "_middleware.js admin/_middleware.ts", 1, Some("")),
        ("/%61dmin/page.html", "_middleware.js admin/_middleware.ts", 1, Some("")),
        ("/admin/deep/x", "_middleware.js admin/_middleware.ts", 1, Some("admin/deep")),
        ("/admin/x", "_middleware.js admin/_middleware.ts (in)/_middleware.js", 1, Some("")),
    ] {
        let plan = site.plan(path);
        let root = std::fs::canonicalize(&folder.0).expect("a folder");
        let shown = |number: &usize| {
            site.script(*number).strip_prefix(&root).expect("inside").to_string_lossy().into_owned()
        };
        let middleware: Vec<String> = plan.middleware.iter().map(shown).collect();
        assert_eq!(middleware.join(" "), expected, "{path}");
        assert_eq!((plan.errors.len(), plan.failed_page.as_deref()), (errors, page), "{path}");
        assert!(site.has_middleware(path));
    }
}

#[test]
fn two_routes_for_one_path_are_refused_and_odd_names_are_told() {
    let twins = Folder::with("twins", &[("a.js", ROUTE), ("(x)/a.ts", ROUTE)]);
    let error = read(&twins).expect_err("twins").to_string();
    assert!(error.contains("are routes for one path"), "{error}");
    // What a compiler wrote beside its source, and what a page loads.
    let built = Folder::with("built", &[("a.ts", ROUTE), ("a.js", "alert(1)"), ("b[1].js", ROUTE)]);
    let site = read(&built).expect("a site");
    assert_eq!(
        site.routes.find("/a").map(|found| site.route(found.number).rel.clone()).as_deref(),
        Some("a.ts")
    );
    assert!(site.warnings.len() == 1 && site.warnings[0].contains("b[1].js"), "{:?}", site.warnings);
    let limits = SiteLimits { routes_max: 1, ..LIMITS };
    assert_eq!(Site::read(&built.0, &limits, find).expect_err("a limit").flag(), Some("site-routes-max"));
}

#[test]
fn a_browsers_module_is_told_from_a_route_by_its_exports_and_its_folder() {
    let default = "export default function () {}";
    let folder = Folder::with(
        "browser",
        &[
            ("widget.js", default),
            ("assets/widget.js", default),
            ("static/api.js", ROUTE),
            ("lib/x.js", "export const a = 1"),
        ],
    );
    let site = read(&folder).expect("a site");
    let is_route = |rel: &str| site.route(site.routes.number(rel).expect(rel)).is_route();
    assert_eq!(
        ["widget.js", "assets/widget.js", "static/api.js", "lib/x.js"].map(is_route),
        [true, false, true, false]
    );
}

/// Not a measurement: that names alone are looked at. It took 16 to 20 ms in a debug build on a busy machine.
#[test]
fn five_hundred_routes_are_read_at_start_by_their_names() {
    let names: Vec<String> = (0..500).map(|n| format!("r{}/x{n}.js", n % 20)).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "not ( javascript")).collect();
    let folder = Folder::with("many", &files);
    let begun = Instant::now();
    let site = read(&folder).expect("a site");
    eprintln!("500 routes: {:?}", begun.elapsed());
    assert_eq!(site.routes.len(), 500);
    assert!((0..500).all(|number| !site.route(number).is_known()));
}
