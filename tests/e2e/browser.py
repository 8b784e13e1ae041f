# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium by its debugging pipe, with nothing but the standard library.

    with Browser(folder) as b:
        b.open("http://127.0.0.1:7070/")
        b.wait("document.title !== ''")
        b.shot("page.png", 1280, 900)
"""
import base64
import json
import os
import select
import subprocess
import time

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe"]


class Browser:
    def __init__(self, folder, chromium="chromium"):
        ours_r, theirs_w = os.pipe()
        theirs_r, ours_w = os.pipe()

        def fds():  # the program expects 3 to read from and 4 to write to
            a, b = os.dup(theirs_r), os.dup(theirs_w)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen([chromium, *FLAGS, f"--user-data-dir={folder}", "about:blank"], close_fds=False,
                                        preexec_fn=fds, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_r)
        os.close(theirs_w)
        self.reader, self.writer, self.left, self.id = ours_r, ours_w, b"", 0
        self.said = []  # errors: of scripts, of the policy, of the network
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in "Page", "Runtime", "Log":
            self.call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        os.close(self.reader)
        os.close(self.writer)

    def call(self, method, timeout=60, **params):
        self.id += 1
        message = {"id": self.id, "method": method, "params": params}
        if getattr(self, "session", None):
            message["sessionId"] = self.session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + timeout
        while True:
            answer = self.next(end - time.monotonic())
            if answer.get("id") == self.id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.note(answer)

    def next(self, timeout):
        while b"\0" not in self.left:
            if not select.select([self.reader], [], [], max(timeout, 0))[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self.reader, 1 << 20)
            if not data:
                raise RuntimeError("the browser has ended")
            self.left += data
        one, self.left = self.left.split(b"\0", 1)
        return json.loads(one)

    def note(self, event):
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.said.append(details.get("exception", {}).get("description") or details["text"])
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.said.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def eval(self, script):
        """The value of a JavaScript expression; a promise is waited for."""
        r = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in r:
            raise RuntimeError(r["exceptionDetails"].get("exception", {}).get("description", "script failed"))
        return r["result"].get("value")

    def wait(self, script, timeout=15):
        """Until the expression is true. Returns whether it is."""
        end = time.monotonic() + timeout
        while not (value := self.eval(f"Boolean({script})")) and time.monotonic() < end:
            time.sleep(0.05)
        return value

    def fill(self, selector, text):
        """What typing does: the value, then the events."""
        where = f"document.querySelector({json.dumps(selector)})"
        self.eval(f"{where}.value = {json.dumps(text)}; for (const e of ['input', 'change']) "
                  f"{where}.dispatchEvent(new Event(e, {{bubbles: true}}))")

    def click(self, selector):
        self.eval(f"document.querySelector({json.dumps(selector)}).click()")

    def text(self, selector):
        return self.eval(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def shot(self, path, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        time.sleep(0.3)
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))
