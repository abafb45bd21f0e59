// SPDX-License-Identifier: Apache-2.0
// A browser lets a page from file:// neither start a worker nor fetch its index. There the index comes as a script,
// and the worker's script runs in a hidden frame.
if (location.protocol === "file:") {
  document.write('<script src="' + document.currentScript.dataset.index + '"><\/script>');
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = "<!doctype html>";
      this.inner = new Promise(resolve => {
        frame.onload = () => {
          const inner = frame.contentWindow;
          inner.postMessage = data => this.dispatchEvent(new MessageEvent("message", {data}));
          const script = inner.document.createElement("script");
          script.src = url;
          script.onload = () => resolve(inner);
          inner.document.body.append(script);
        };
      });
      document.body.append(frame);
    }
    postMessage(data) {
      this.inner.then(inner => inner.dispatchEvent(new inner.MessageEvent("message", {data})));
    }
  };
}
