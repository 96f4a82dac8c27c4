// States that were settled, to go back and forth between. A state is never changed, but replaced.

export class History {
  constructor(first) {
    this.states = [first];
    this.place = 0;
  }

  get state() {
    return this.states[this.place];
  }

  get first() {
    return this.states[0];
  }

  get canUndo() {
    return this.place > 0;
  }

  get canRedo() {
    return this.place < this.states.length - 1;
  }

  push(state) {
    if (JSON.stringify(state) === JSON.stringify(this.state)) return;
    this.states.splice(this.place + 1, Infinity, state);
    this.place += 1;
  }

  undo() {
    if (this.canUndo) this.place -= 1;
  }

  redo() {
    if (this.canRedo) this.place += 1;
  }

  /** Take back a state that cannot be painted, as if it had never been. */
  drop(state) {
    if (this.state !== state || !this.canUndo) return;
    this.states.splice(this.place, Infinity);
    this.place -= 1;
  }
}
