// States on their way to a model, whatever it runs in: `decode(state)` gives pictures and facts.
// While one is under way only the latest of those that follow is kept; others get null.

const WINDOW = 1000; // milliseconds over which pictures a second are counted

/** A subclass has `isOpen`, and `ask(number, state)`, which ends in `landed` or `refused`. */
export class Requests extends EventTarget {
  constructor() {
    super();
    this.asked = 0;
    this.flying = null;
    this.next = null;
    this.kept = [];
    this.times = [];
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
      this.pump();
    });
  }

  /** Pictures painted within the last second. */
  get rate() {
    const now = performance.now();
    this.times = this.times.filter((time) => now - time < WINDOW);
    return this.times.length;
  }

  /** Ask for the next state, if none is under way. */
  pump() {
    if (this.flying || !this.isOpen) return;
    const wanted = this.kept.shift() ?? this.next;
    if (!wanted) return;
    if (wanted === this.next) this.next = null;
    this.asked += 1;
    this.flying = { ...wanted, number: this.asked };
    this.ask(this.asked, wanted.state);
  }

  landed(frame) {
    if (this.flying?.number !== frame.number) return;
    const { resolve, state } = this.flying;
    this.flying = null;
    this.times.push(performance.now());
    resolve({ ...frame, state });
    this.pump();
  }

  refused(number, words) {
    if (this.flying?.number !== number) return;
    const { reject } = this.flying;
    this.flying = null;
    reject(new Error(words));
    this.pump();
  }

  /** Answer all that wait with null. */
  forget() {
    for (const wanted of [this.flying, this.next, ...this.kept]) wanted?.resolve(null);
    [this.flying, this.next, this.kept] = [null, null, []];
  }
}
