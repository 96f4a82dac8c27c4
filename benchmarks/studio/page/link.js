// The way to a model on the studio's server, by a web socket.

import { Requests } from "./requests.js";
import { coloured } from "./stage.js";

const CLOSED = { 4001: "busy", 4002: "taken", 4003: "ended" };
const RETRY = 2000; // milliseconds

export class Link extends Requests {
  constructor(root) {
    super();
    this.root = root;
    this.socket = null;
    this.key = "";
  }

  /** Connect; `take` closes the window that is open elsewhere. */
  open(take = false) {
    const socket = new WebSocket(`ws://${location.host}${this.root}live${take ? "?take=1" : ""}`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#heard(data);
    socket.onclose = ({ code }) => this.#closed(socket, code);
    this.socket = socket;
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  ask(number, state) {
    this.socket.send(JSON.stringify({ number, state }));
  }

  /** Send a file, a number or a state by name; the answer's JSON, or a Blob. */
  async post(path, body, query = {}) {
    const search = new URLSearchParams(query);
    let answer;
    try {
      answer = await fetch(`${this.root}${path}?${search}`, {
        method: "POST", body, headers: { "X-Window": this.key },
      });
    } catch {
      throw new Error("the studio does not answer");
    }
    if (answer.headers.get("Content-Type")?.startsWith("video/")) return answer.blob();
    const found = await answer.json().catch(() => ({ error: "the studio refused this" }));
    if (!answer.ok) throw new Error(found.error);
    return found;
  }

  #heard(data) {
    if (typeof data !== "string") return this.landed(unpacked(data));
    const said = JSON.parse(data);
    if ("window" in said) {
      this.key = said.window;
      this.dispatchEvent(new CustomEvent("opened", { detail: said.about }));
      this.pump();
    } else {
      this.refused(said.number, said.error);
    }
  }

  #closed(socket, code) {
    if (socket !== this.socket) return;
    this.forget();
    const reason = CLOSED[code] ?? "lost";
    this.dispatchEvent(new CustomEvent(reason));
    if (reason === "lost") setTimeout(() => socket === this.socket && this.open(), RETRY);
  }
}

/** A frame as `packed` of session.py writes it. */
function unpacked(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const size = head.width * head.height;
  const pictures = Array.from({ length: head.count }, (_, place) => {
    const colours = new Uint8Array(buffer, 4 + length + place * size * 3, size * 3);
    return coloured(head.width, head.height, (pixel, channel) => colours[3 * pixel + channel]);
  });
  return { number: head.number, pictures, facts: head.facts };
}
