// The way to the model: `decode(state)` gives pictures and facts. While one is under way only the
// latest of the states that follow is kept; the others are answered with null.

const CLOSED = { 4001: "busy", 4002: "taken", 4003: "ended" };
const RETRY = 2000; // milliseconds
const WINDOW = 1000; // over which pictures a second are counted

export class Link extends EventTarget {
  constructor(root) {
    super();
    this.root = root;
    this.socket = null;
    this.key = "";
    this.asked = 0;
    this.flying = null;
    this.next = null;
    this.kept = [];
    this.times = [];
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

  /** Paint a state. With `keep` it is never dropped for a later one. */
  decode(state, { keep = false } = {}) {
    return new Promise((resolve, reject) => {
      const wanted = { state, resolve, reject };
      if (keep) {
        this.kept.push(wanted);
      } else {
        this.next?.resolve(null);
        this.next = wanted;
      }
      this.#send();
    });
  }

  /** Pictures painted within the last second. */
  get rate() {
    const now = performance.now();
    this.times = this.times.filter((time) => now - time < WINDOW);
    return this.times.length;
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

  #send() {
    if (this.flying || !this.isOpen) return;
    const wanted = this.kept.shift() ?? this.next;
    if (!wanted) return;
    if (wanted === this.next) this.next = null;
    this.asked += 1;
    this.flying = { ...wanted, number: this.asked };
    this.socket.send(JSON.stringify({ number: this.asked, state: wanted.state }));
  }

  #heard(data) {
    if (typeof data !== "string") return this.#landed(unpacked(data));
    const said = JSON.parse(data);
    if ("window" in said) {
      this.key = said.window;
      this.dispatchEvent(new CustomEvent("opened", { detail: said.about }));
      this.#send();
    } else if (this.flying?.number === said.number) {
      const { reject } = this.flying;
      this.flying = null;
      reject(new Error(said.error));
      this.#send();
    }
  }

  #landed(frame) {
    if (this.flying?.number !== frame.number) return;
    const { resolve, state } = this.flying;
    this.flying = null;
    this.times.push(performance.now());
    resolve({ ...frame, state });
    this.#send();
  }

  #closed(socket, code) {
    if (socket !== this.socket) return;
    for (const wanted of [this.flying, this.next, ...this.kept]) wanted?.resolve(null);
    [this.flying, this.next, this.kept] = [null, null, []];
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
    const image = new ImageData(head.width, head.height);
    for (let pixel = 0; pixel < size; pixel += 1) {
      image.data[4 * pixel] = colours[3 * pixel];
      image.data[4 * pixel + 1] = colours[3 * pixel + 1];
      image.data[4 * pixel + 2] = colours[3 * pixel + 2];
      image.data[4 * pixel + 3] = 255;
    }
    return image;
  });
  return { number: head.number, pictures, facts: head.facts };
}
