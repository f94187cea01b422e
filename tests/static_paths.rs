//! What a path leads to: nothing outside of the folder, nothing but files; also where the kernel lacks the calls that
//! say so.
//!
//! Owns: paths that try to escape, names that are unusual, what is in a folder and is no file. Must not know: what is
//! said of a file that is served.

use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::static_files::{FILES, alone, alone_by, ask, folder, root};
use crate::support::refuse::{CACHESTAT, OPENAT2, can_refuse, refusing};
use crate::support::{App, Connection, Way, get, pattern, skip};

/// A folder that is served, beside one that is not, with all that could lead from one to the other.
fn hostile() -> (App, PathBuf) {
    let files = [("public/a.txt", "inside"), ("secret.txt", "outside"), ("public2/b.txt", "outside")];
    let files = folder(&files);
    let public = root(&files).join("public");
    std::fs::create_dir_all(public.join("d")).expect("a folder");
    for (to, name) in [
        ("a.txt", "in"),
        ("../a.txt", "d/in"),
        ("../secret.txt", "relative-out"),
        ("..", "up"),
        ("../public2", "beside"),
        ("/proc/self/cwd", "cwd"),
        ("/proc/self/root", "root"),
        ("/etc", "etc"),
        ("/dev/null", "device"),
        ("loop", "loop"),
        ("nowhere", "nowhere"),
    ] {
        symlink(to, public.join(name)).expect("a link");
    }
    symlink(public.join("a.txt"), public.join("absolute-in")).expect("a link");
    symlink(root(&files).join("secret.txt"), public.join("out")).expect("a link");
    for name in ["pipe", "d/index.html"] {
        let status = Command::new("mkfifo").arg(public.join(name)).status().expect("mkfifo");
        assert!(status.success());
    }
    // Only root makes devices, and not everywhere: then it is one path more that there is not.
    let _ = Command::new("mknod").arg(public.join("null")).args(["c", "1", "3"]).output().expect("mknod");
    // Its own path may be too long for a socket (unix(7)).
    let socket = crate::support::way::socket_path();
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("bind"));
    let moved = Command::new("mv").arg(&socket).arg(public.join("socket")).status().expect("mv");
    assert!(moved.success());
    (files, public)
}

fn assert_nothing_leads_out(client: &mut Connection) {
    // The last is a way that leads out and back in.
    for target in ["/a.txt", "/in", "/d/in", "/absolute-in", "/%61.txt", "/up/public/a.txt"] {
        assert_eq!(client.get(target).text(), "inside", "{target}");
    }
    for target in [
        "/out",
        "/relative-out",
        "/up/secret.txt",
        "/beside/b.txt",
        "/cwd/Cargo.toml",
        "/root/etc/passwd",
        "/etc/passwd",
        "/device",
        "/null",
        "/loop",
        "/nowhere",
        "/pipe",
        "/socket",
        "/d/",
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/d/../../secret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "/%252e%252e/secret.txt",
        "/.%00./secret.txt",
        "/a.txt%00",
        "/a.txt%00.html",
        "/a.txt/",
        "/a.txt/.",
        "/a.txt/..",
        "/a.txt.",
        "/a.txt%20",
        "/d/./in",
        "//a.txt",
        "/d//in",
        "/%c0%ae%c0%ae/secret.txt",
        "/....//secret.txt",
        "/..;/secret.txt",
        "/etc%2fpasswd",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/proc/self/environ",
        "/%zz",
        "/%",
        "/%2",
        "/%ff",
    ] {
        let answer = client.get(target);
        assert_eq!(answer.status, 404, "{target}: {}", answer.text());
    }
    // A path that begins elsewhere in the target's other form is the same path.
    client.send("GET http://test/../secret.txt HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.response("GET").status, 404);
}

/// `jsserve` as somebody who may not read everything; `None` where nobody can become that.
fn as_nobody(test: &str) -> Option<Command> {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    match command.arg("true").output() {
        Ok(output) if output.status.success() => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            command.arg(env!("CARGO_BIN_EXE_jsserve"));
            Some(command)
        }
        Ok(output) => {
            skip(test, &String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => {
            skip(test, &format!("setpriv: {error}"));
            None
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

both_backends! {
    fn no_path_leads_out_of_the_folder(io) {
        let (_files, public) = hostile();
        let server = alone(Way::tcp(io), &[], &public);
        assert_nothing_leads_out(&mut Connection::open(server.addr()));
        let server = alone(Way::tcp(io), &["--static-listing"], &public);
        let page = Connection::open(server.addr()).get("/");
        for shown in ["a.txt", "in", "d/", "absolute-in"] {
            assert!(page.text().contains(&format!("href=\"./{shown}\"")), "{shown}: {}", page.text());
        }
        for hidden in ["out", "relative-out", "up/", "etc/", "pipe", "socket", "null", "device", "loop", "nowhere"] {
            assert!(!page.text().contains(&format!("href=\"./{hidden}\"")), "{hidden}: {}", page.text());
        }
    }

    // openat2(2) is of Linux 5.6, and a container's profile may not let it through.
    fn no_path_leads_out_where_the_kernel_lacks_openat2(io) {
        if !can_refuse("files without openat2") {
            return;
        }
        for errno in ["ENOSYS", "EPERM"] {
            let (_files, public) = hostile();
            let server = alone_by(refusing(errno, OPENAT2), Way::tcp(io), &[], &public);
            assert_nothing_leads_out(&mut Connection::open(server.addr()));
        }
    }

    fn files_are_served_where_the_kernel_lacks_openat2(io) {
        if !can_refuse("files without openat2") {
            return;
        }
        let files = folder(&FILES);
        std::fs::write(root(&files).join("a.txt.gz"), "zipped").expect("write");
        std::fs::write(root(&files).join("large.bin"), pattern(3_000_000)).expect("write");
        std::fs::create_dir_all(root(&files).join("shown")).expect("a folder");
        symlink("../a.txt", root(&files).join("shown/leads-in")).expect("a link");
        symlink("/etc/passwd", root(&files).join("shown/leads-out")).expect("a link");
        let launcher = refusing("ENOSYS", OPENAT2);
        let server = alone_by(launcher, Way::tcp(io), &["--static-listing"], root(&files));
        let mut client = Connection::open(server.addr());
        for _ in 0..2 {
            assert_eq!(client.get("/").text(), "<h1>home</h1>");
            assert_eq!(client.get("/sub/b%20c%C3%A9.txt").text(), "beta");
            assert_eq!(client.get("/sub").field("location"), Some("/sub/"));
            assert_eq!(ask(&mut client, "GET", "/a.txt", "Accept-Encoding: gzip\r\n").text(), "zipped");
            assert_eq!(client.get("/large.bin").body, pattern(3_000_000));
            let part = ask(&mut client, "GET", "/large.bin", "Range: bytes=1000000-1000999\r\n");
            assert_eq!((part.status, &part.body[..]), (206, &pattern(3_000_000)[1_000_000..1_001_000]));
            let page = client.get("/shown/");
            assert!(page.text().contains("leads-in") && !page.text().contains("leads-out"), "{}", page.text());
            assert_eq!(client.get("/nothing").status, 404);
        }
        let tag = client.get("/a.txt").field("etag").expect("ETag").to_owned();
        std::fs::write(root(&files).join("a.txt"), "omega").expect("write");
        std::fs::remove_file(root(&files).join("sub/index.html")).expect("remove");
        std::thread::sleep(Duration::from_millis(1200));
        let changed = client.get("/a.txt");
        assert_eq!(changed.text(), "omega");
        assert_ne!(changed.field("etag"), Some(&*tag));
        assert!(client.get("/sub/").text().contains("b%20c%C3%A9.txt"), "a listing in its index's place");
    }

    // cachestat(2) is of Linux 6.5: what is in memory cannot be told before it, and no file is sent as a window.
    fn files_are_served_where_the_kernel_does_not_say_what_is_in_memory(io) {
        if !can_refuse("files without cachestat") {
            return;
        }
        let files = folder(&FILES);
        let sizes = [65_536, 65_537, 100_000, 1_048_577, 10_000_000];
        for size in sizes {
            std::fs::write(root(&files).join(format!("{size}.bin")), pattern(size)).expect("write");
        }
        let launcher = refusing("ENOSYS", &format!("{OPENAT2},{CACHESTAT}"));
        let server = alone_by(launcher, Way::tcp(io), &[], root(&files));
        let mut client = Connection::open(server.addr());
        client.send(sizes.map(|size| get(&format!("/{size}.bin"))).concat());
        for size in sizes {
            let answer = client.response("GET");
            assert!(answer.status == 200 && answer.body == pattern(size), "{size}: {}", answer.body.len());
        }
    }

    // Whatever bytes a file system takes for a name.
    fn a_name_is_bytes(io) {
        let files = folder(&FILES);
        for (name, text) in [
            (&b"\xff\xfe.txt"[..], "no UTF-8"), (b"a\nb.txt", "a line"), (b"%41.txt", "percent"), (b"q?a#b.txt", "marks"),
            (b"...x", "dots"), (b"a.txt.", "a dot"), (b"-rf", "a minus"), (b"a\\b.txt", "a backslash"),
        ] {
            std::fs::write(root(&files).join(std::ffi::OsStr::from_bytes(name)), text).expect("write");
        }
        let longest = "n".repeat(255);
        std::fs::write(root(&files).join(&longest), "long").expect("write");
        let server = alone(Way::tcp(io), &["--static-dotfiles"], root(&files));
        let mut client = Connection::open(server.addr());
        for (target, text) in [
            ("/%ff%FE.txt", "no UTF-8"), ("/a%0Ab.txt", "a line"), ("/%2541.txt", "percent"), ("/q%3Fa%23b.txt?x", "marks"),
            ("/...x", "dots"), ("/a.txt.", "a dot"), ("/-rf", "a minus"), (&*format!("/{longest}"), "long"),
        ] {
            let answer = client.get(target);
            assert_eq!((answer.status, answer.text()), (200, text), "{target}");
        }
        for target in ["/a%5Cb.txt", "/A.txt.", "/%41.txt", &format!("/{longest}n"), &"/n".repeat(3000), &format!("/{}", "%6e".repeat(255) + "n")] {
            assert_eq!(client.get(target).status, 404, "{target}");
        }
    }

    // RFC 9110 section 15.5.4: a server that does not want to say that it is there says 404. So it is before an app, too.
    fn what_the_server_may_not_read_is_not_there(io) {
        let Some(launcher) = as_nobody("files that may not be read") else { return };
        let files = folder(&FILES);
        std::fs::create_dir_all(root(&files).join("shut")).expect("a folder");
        for name in ["closed.txt", "a.txt.gz", "shut/a.txt"] {
            std::fs::write(root(&files).join(name), "closed").expect("write");
        }
        for name in ["closed.txt", "a.txt.gz", "shut"] {
            set_mode(&root(&files).join(name), 0);
        }
        let server = alone_by(launcher, Way::tcp(io), &["--static-listing"], root(&files));
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/sub/").text(), "<h1>sub</h1>");
        let answer = ask(&mut client, "GET", "/a.txt", "Accept-Encoding: gzip\r\n");
        assert_eq!((answer.status, answer.text()), (200, "alpha"), "a sibling that cannot be read is none");
        for target in ["/closed.txt", "/shut", "/shut/", "/shut/a.txt"] {
            assert_eq!(client.get(target).status, 404, "{target}");
        }
        set_mode(&root(&files).join("shut"), 0o755);
    }

    // RFC 9110 section 15.4.9; the Location of a path that begins with two slashes would be another server's.
    fn a_folder_without_a_slash_is_redirected_and_nowhere_else(io) {
        let files = folder(&FILES);
        std::fs::create_dir_all(root(&files).join("empty")).expect("a folder");
        let server = alone(Way::tcp(io), &[], root(&files));
        let mut client = Connection::open(server.addr());
        let to = client.get("/sub?a=/../b");
        assert_eq!((to.status, to.field("location")), (308, Some("/sub/?a=/../b")));
        for target in ["//evil.example/sub", "//sub", "/%2fsub", "/\\sub", "/sub/..", "/./sub", "///", "/empty", "/empty/"] {
            let answer = client.get(target);
            assert_eq!((answer.status, answer.field("location")), (404, None), "{target}");
        }
    }
}
