//! A page in a browser without a window, driven by the DevTools protocol over two pipes.
//!
//! Owns: the browser's process and profile, one page, real clicks and keys, screenshots. Must not know:
//! what pages show. Commands: https://chromedevtools.github.io/devtools-protocol/

use std::io::{BufRead, BufReader, PipeReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A browser on a machine of two cores that compiles meanwhile.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// One page in a browser of its own, which ends with it.
pub struct Page {
    browser: Child,
    commands: ChildStdin,
    answers: Receiver<Value>,
    profile: PathBuf,
    session: String,
    count: u64,
}

impl Page {
    /// Starts the browser `program` with an empty page of `width` by `height` CSS pixels.
    pub fn open(program: &str, width: u32, height: u32) -> Page {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let profile =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{}-{number}", std::process::id()));
        let (reader, writer) = std::io::pipe().expect("a pipe");
        // Commands come on descriptor 3, answers go to descriptor 4.
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#, program]).args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
        ]);
        command.arg(format!("--user-data-dir={}", profile.display())).arg("about:blank");
        let mut browser = command.stdin(Stdio::piped()).stdout(writer).spawn().expect("run the browser");
        drop(command); // and with it this side's end of what the browser writes to
        let commands = browser.stdin.take().expect("stdin is piped");
        let answers = messages(reader);
        let mut page = Page { browser, commands, answers, profile, session: String::new(), count: 0 };
        let target = page.call("Target.createTarget", json!({ "url": "about:blank" }));
        let session =
            page.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        page.session = session["sessionId"].as_str().expect("a session").to_owned();
        page.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
        page.call("Page.enable", json!({}));
        page
    }

    /// Calls a method of the protocol.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.count += 1;
        let mut message = json!({ "id": self.count, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let bytes = [message.to_string().as_bytes(), b"\0"].concat();
        self.commands.write_all(&bytes).expect("the browser takes a command");
        let deadline = Instant::now() + ANSWER_MAX;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.answers.recv_timeout(left).unwrap_or_else(|_| panic!("no answer to {method}"));
            if answer["id"] == self.count {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
        }
    }

    /// Goes to `url`; waits for nothing but its first bytes.
    pub fn go(&mut self, url: &str) {
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{url}: {}", answer["errorText"]);
    }

    /// The value of a JavaScript expression, awaited where it is a promise.
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// The text of an expression.
    pub fn text(&mut self, expression: &str) -> String {
        self.value(expression).as_str().unwrap_or_else(|| panic!("{expression} is no string")).to_owned()
    }

    /// Waits until an expression is true; one that throws (a page that is only coming) is not.
    pub fn wait(&mut self, expression: &str) {
        let deadline = Instant::now() + ANSWER_MAX;
        let careful =
            format!("(() => {{ try {{ return Boolean({expression}) }} catch {{ return false }} }})()");
        // Between two documents there is a moment without one: that answer is an error.
        let params = json!({ "expression": careful, "returnByValue": true });
        while self.call("Runtime.evaluate", params.clone())["result"]["value"] != json!(true) {
            if Instant::now() > deadline {
                panic!("never true: {expression}\n{}", self.text("document.documentElement.outerHTML"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Clicks in the middle of the first element that `selector` finds, once style sheets have put it in its place.
    pub fn click(&mut self, selector: &str) {
        self.wait(&format!("document.querySelector({selector:?})"));
        self.wait("[...document.querySelectorAll('link[rel=stylesheet]')].every((link) => link.sheet)");
        let place = self.value(&format!(
            "(() => {{ const it = document.querySelector({selector:?}); it.scrollIntoView({{ block: 'center', behavior: 'instant' }});
               const at = it.getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height / 2] }})()"
        ));
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let params =
                json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", params);
        }
    }

    /// Clicks into a field and types.
    pub fn type_into(&mut self, selector: &str, text: &str) {
        self.click(selector);
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Presses Enter.
    pub fn enter(&mut self) {
        for kind in ["keyDown", "keyUp"] {
            let params = json!({ "type": kind, "key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13 });
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// Chooses a file in `<input type=file>`.
    pub fn choose(&mut self, selector: &str, file: &Path) {
        let root = self.call("DOM.getDocument", json!({}));
        let params = json!({ "nodeId": root["root"]["nodeId"], "selector": selector });
        let node = self.call("DOM.querySelector", params);
        self.call("DOM.setFileInputFiles", json!({ "nodeId": node["nodeId"], "files": [file] }));
    }

    /// Writes what is to be seen to `target/tmp/NAME.png`.
    pub fn screenshot(&mut self, name: &str) {
        let image = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let bytes = base64(image["data"].as_str().expect("an image"));
        assert!(bytes.starts_with(b"\x89PNG"), "an image");
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        std::fs::write(file, bytes).expect("write the image");
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let close = [br#"{"id":0,"method":"Browser.close"}"#.as_slice(), b"\0"].concat();
        let _ = self.commands.write_all(&close);
        // Its own end takes its helpers along; where it does not come, the pipe's does.
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.browser.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.browser.kill();
        let _ = self.browser.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// What the browser says, message by message; each ends with a NUL.
fn messages(reader: PipeReader) -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut bytes = Vec::new();
        while reader.read_until(0, &mut bytes).is_ok_and(|length| length > 0) {
            let Ok(message) = serde_json::from_slice(bytes.strip_suffix(b"\0").unwrap_or(&bytes)) else {
                return;
            };
            if sender.send(message).is_err() {
                return;
            }
            bytes.clear();
        }
    });
    receiver
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = text
        .bytes()
        .filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte))
        .map(|at| at as u32)
        .collect();
    digits
        .chunks(4)
        .flat_map(|four| {
            let bits = four.iter().enumerate().fold(0, |bits, (at, digit)| bits | digit << (18 - 6 * at));
            bits.to_be_bytes()[1..four.len()].to_vec()
        })
        .collect()
}
