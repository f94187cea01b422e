//! `os` on processes: exec, waitpid, kill, getpid, exePath.
//!
//! Owns: the calls, `exec`'s options. A served app may start children but not wait for them: what
//! would hold its worker up throws and says what to do instead. Must not know: what happens between
//! fork and exec.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

use rquickjs::{Coerced, Ctx, FromJs, Object, Result, Value};

use super::table::Descriptors;
use super::{coerce, errno};
use crate::environment::Environment;
use crate::io::errno::number;
use crate::io::process::{self, Children, SpawnOptions};
use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::Functions;
use crate::js::{exception, permit, value};
use crate::modules::web::host::{self, CgiHold, Host, Role};
use crate::permissions::{Access, program_files};

/// Arguments of a program, and supplementary groups of a child.
const ARGUMENTS_MAX: u32 = 65_535;
const GROUPS_MAX: u32 = 64;
/// Where programs are looked for without PATH.
const PATH: &[u8] = b"/bin:/usr/bin";

/// The calls.
pub struct ProcessCalls;

impl Functions for ProcessCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"exec", 1, exec),
        (c"waitpid", 2, waitpid),
        (c"kill", 2, kill),
        (c"getpid", 0, |scope| coerce::number(scope.ctx, Ok(std::process::id().into()))),
        (c"exePath", 0, exe_path),
    ];
}

/// `exec(args, options?)`: the exit status, or the negative number of the signal that ended the
/// program; with `block: false` the process id. 127 stands for a program that could not be started.
fn exec<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let arguments = strings(ctx, &scope.arg(0))?;
    let options = Options::read(ctx, &scope.arg(1))?;
    if options.block && Host::role(ctx) == Role::App {
        let text = "exec: waiting for a program would block the worker; pass { block: false } and use waitpid with WNOHANG";
        return Err(exception::type_error(ctx, text));
    }
    let block = options.block;
    let permitted = options.permitted(ctx, &arguments)?;
    let done = options.program(ctx, arguments, permitted).and_then(process::spawn);
    let pid = done.map_err(|error| errno::throw(ctx, "exec", &error))?;
    let children = children(ctx);
    children.iter().for_each(|children| children.add(pid));
    let result = match &children {
        Some(children) if block => wait_while_wanted(ctx, pid, children)?,
        _ if block => process::wait_for(pid),
        _ => Ok(pid),
    };
    let result = result.map_err(|error| errno::throw(ctx, "exec", &error))?;
    coerce::number(ctx, Ok(result.into()))
}

/// The children of a CGI script: they end with it.
fn children(ctx: &Ctx<'_>) -> Option<Arc<Children>> {
    (Host::role(ctx) == Role::Cgi).then(|| CgiHold::of(State::of(ctx)).children().clone())
}

/// Waits for a child of a CGI script, for no longer than that may run.
fn wait_while_wanted(ctx: &Ctx<'_>, pid: i32, children: &Children) -> Result<io::Result<i32>> {
    loop {
        match process::wait_within(pid, host::LOOK) {
            Ok(None) => host::look(ctx)?,
            Ok(Some(status)) => {
                children.forget(pid);
                return Ok(Ok(status));
            }
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// The items of an array of 1 to [`ARGUMENTS_MAX`] strings.
fn strings(ctx: &Ctx<'_>, list: &Value<'_>) -> Result<Vec<CString>> {
    let Some(list) = list.as_object() else {
        return Err(exception::type_error(ctx, "exec: args must be an array of strings"));
    };
    let count = coerce::uint32(ctx, &list.get("length")?, "args.length")?;
    if !(1..=ARGUMENTS_MAX).contains(&count) {
        return Err(exception::type_error(ctx, "exec: invalid number of arguments"));
    }
    (0..count).map(|i| coerce::text(ctx, &list.get(i)?, "argument")).collect()
}

struct Options {
    block: bool,
    use_path: bool,
    file: Option<CString>,
    folder: Option<CString>,
    stdio: [Option<i32>; 3],
    environment: Option<Vec<CString>>,
    uid: Option<u32>,
    gid: Option<u32>,
    groups: Option<Vec<u32>>,
}

/// Member `name`, if it is there and not undefined, as `convert` reads it.
fn member<'js, T>(
    options: &Object<'js>,
    name: &str,
    convert: impl FnOnce(&Ctx<'js>, &Value<'js>, &str) -> Result<T>,
) -> Result<Option<T>> {
    let given: Value = options.get(name)?;
    (!given.is_undefined()).then(|| convert(options.ctx(), &given, name)).transpose()
}

impl Options {
    fn read<'js>(ctx: &Ctx<'js>, given: &Value<'js>) -> Result<Options> {
        let options = match given.as_object() {
            Some(options) => options.clone(),
            None if given.is_undefined() || given.is_null() => Object::new(ctx.clone())?,
            None => return Err(exception::type_error(ctx, "exec: options must be an object")),
        };
        let flag = |ctx: &Ctx<'js>, value: &Value<'js>, _: &str| {
            Coerced::<bool>::from_js(ctx, value.clone()).map(|flag| flag.0)
        };
        Ok(Options {
            block: member(&options, "block", flag)?.unwrap_or(true),
            use_path: member(&options, "usePath", flag)?.unwrap_or(true),
            file: member(&options, "file", coerce::text)?,
            folder: member(&options, "cwd", coerce::text)?,
            stdio: [
                member(&options, "stdin", coerce::int32)?,
                member(&options, "stdout", coerce::int32)?,
                member(&options, "stderr", coerce::int32)?,
            ],
            environment: member(&options, "env", variables)?,
            uid: member(&options, "uid", coerce::uint32)?,
            gid: member(&options, "gid", coerce::uint32)?,
            groups: member(&options, "groups", groups)?,
        })
    }

    /// The one file that may be run, where not all may.
    ///
    /// # Errors
    /// It was not granted, or would be told to load what was not.
    fn permitted(&self, ctx: &Ctx<'_>, arguments: &[CString]) -> Result<Option<CString>> {
        let Some(permissions) = permit::of(ctx).filter(|all| !all.run.all) else { return Ok(None) };
        let program =
            self.file.as_ref().or(arguments.first()).map(|file| file.to_string_lossy()).unwrap_or_default();
        let loads = |variable: &CString| variable.as_bytes().starts_with(b"LD_");
        if self.environment.as_ref().is_some_and(|all| all.iter().any(loads)) {
            permit::all(ctx, Access::Run)?;
        }
        let search = search_path(State::of(ctx).cluster().environment());
        let files = match self.use_path {
            true => program_files(program.as_ref().as_ref(), &OsString::from_vec(search)),
            false => vec![program.as_ref().into()],
        };
        let folder = self.folder.as_ref().map(|folder| Path::new(OsStr::from_bytes(folder.as_bytes())));
        let files = files.into_iter().map(|file| folder.map_or(file.clone(), |folder| folder.join(&file)));
        let file = files.clone().find(|file| file.is_file()).or_else(|| files.clone().next());
        let real = permissions
            .run(&file.unwrap_or_default(), &program)
            .map_err(|refused| permit::refuse(ctx, &refused))?;
        Ok(Some(CString::new(real.into_os_string().into_vec())?))
    }

    /// EBADF where a number of `stdin`, `stdout` or `stderr` is not one of the engine's descriptors.
    fn program(
        self,
        ctx: &Ctx<'_>,
        arguments: Vec<CString>,
        permitted: Option<CString>,
    ) -> io::Result<SpawnOptions> {
        let (descriptors, inherited) = (Descriptors::of(ctx), State::of(ctx).cluster().environment());
        // The streams of a CGI script are its own, and not the process's.
        let is_cgi = Host::role(ctx) == Role::Cgi;
        let copy = |fd: Option<i32>, own: i32| -> io::Result<Option<OwnedFd>> {
            let Some(fd) = fd.or(is_cgi.then_some(own)) else { return Ok(None) };
            descriptors.get(fd)?.socket.with_fd(|fd| fd.try_clone_to_owned()).map(Some)
        };
        let [stdin, stdout, stderr] = self.stdio;
        let file = self.file.unwrap_or_else(|| arguments.first().cloned().unwrap_or_default());
        let files = match (permitted, self.use_path) {
            (Some(file), _) => vec![file],
            (None, true) => process::candidates(&file, &search_path(inherited)),
            (None, false) => vec![file],
        };
        Ok(SpawnOptions {
            files,
            arguments,
            environment: self.environment.unwrap_or_else(|| pairs(inherited)),
            folder: self.folder,
            stdio: [copy(stdin, 0)?, copy(stdout, 1)?, copy(stderr, 2)?],
            groups: self.groups,
            gid: self.gid,
            uid: self.uid,
            session: is_cgi,
            ..SpawnOptions::default()
        })
    }
}

/// The own properties of an object, as a program's environment.
fn variables<'js>(ctx: &Ctx<'js>, given: &Value<'js>, what: &str) -> Result<Vec<CString>> {
    let Some(object) = given.as_object() else {
        return Err(exception::type_error(ctx, &format!("{what} must be an object")));
    };
    let pair = |entry: Result<(Value<'js>, Value<'js>)>| {
        let (name, value) = entry?;
        let name = value::to_string(&name)?;
        let text = coerce::text(ctx, &value, &format!("{what}.{name}"))?;
        let bytes = [name.as_bytes(), b"=", text.as_bytes()].concat();
        let nul = |_| exception::type_error(ctx, &format!("a name in {what} must not contain NUL"));
        CString::new(bytes).map_err(nul)
    };
    object.props::<Value, Value>().map(pair).collect()
}

fn groups(ctx: &Ctx<'_>, given: &Value<'_>, what: &str) -> Result<Vec<u32>> {
    let Some(list) = given.as_object() else {
        return Err(exception::type_error(ctx, &format!("{what} must be an array of numbers")));
    };
    let count = coerce::uint32(ctx, &list.get("length")?, "groups.length")?;
    if count > GROUPS_MAX {
        return Err(exception::range_error(ctx, "too many groups"));
    }
    (0..count).map(|i| coerce::uint32(ctx, &list.get(i)?, "group")).collect()
}

/// The environment as `std.setenv` left it.
fn pairs(environment: &Environment) -> Vec<CString> {
    let pair = |(name, value): (OsString, OsString)| [name.as_bytes(), b"=", value.as_bytes()].concat();
    environment.snapshot().into_iter().filter_map(|entry| CString::new(pair(entry)).ok()).collect()
}

fn search_path(environment: &Environment) -> Vec<u8> {
    environment.get(OsStr::new("PATH")).map_or_else(|| PATH.to_vec(), OsStringExt::into_vec)
}

/// `waitpid(pid, options = 0)`: `[pid, status]`, `[0, 0]` with WNOHANG where nothing has ended, or
/// `[-errno, 0]`. The status is that of waitpid(2): `status & 0x7f` the signal, `status >> 8` the exit
/// status.
fn waitpid<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let pid = coerce::int32(ctx, &scope.arg(0), "pid")?;
    let options = coerce::int32_or(ctx, &scope.arg(1), "options", 0)?;
    if options & libc::WNOHANG == 0 && Host::role(ctx) == Role::App {
        let text = "waitpid: waiting would block the worker; pass os.WNOHANG";
        return Err(exception::type_error(ctx, text));
    }
    let waited = process::wait(pid, options);
    if let (Ok((ended @ 1.., _)), Some(children)) = (&waited, children(ctx)) {
        children.forget(*ended);
    }
    let (pid, status) = waited.unwrap_or_else(|error| (-number(&error), 0));
    coerce::pair(ctx, Value::new_int(ctx.clone(), pid), status)
}

/// `kill(pid, signal)`: 0, or `-errno`.
fn kill<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    permit::all(scope.ctx, Access::Run)?;
    let pid = coerce::int32(scope.ctx, &scope.arg(0), "pid")?;
    let signal = coerce::int32(scope.ctx, &scope.arg(1), "signal")?;
    coerce::status(scope.ctx, process::kill(pid, signal))
}

/// `exePath()`: the path of this program; undefined where the system does not tell.
fn exe_path<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    match std::env::current_exe() {
        Ok(path) => value::string(scope.ctx, &path.to_string_lossy()),
        Err(_) => Ok(scope.undefined()),
    }
}
