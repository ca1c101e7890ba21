// What the page knows just now; nothing of it survives a reload.

export class State {
  constructor(values) {
    this.values = { ...values };
    this.listeners = [];
  }

  get(name) {
    return this.values[name];
  }

  // Change values; whoever listens to one that became different is told once.
  set(changes) {
    const changed = Object.keys(changes).filter((name) => this.values[name] !== changes[name]);
    if (!changed.length) return;
    Object.assign(this.values, changes);
    for (const { names, listener } of [...this.listeners]) {
      if (names.some((name) => changed.includes(name))) listener(this.values, changed);
    }
  }

  on(names, listener) {
    this.listeners.push({ names, listener });
  }
}
