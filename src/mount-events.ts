// Owns: a mount's events: its listeners, and what happens to a fault that nobody listens for.

import { EventEmitter } from "node:events";
import { messageOf, textOf } from "./codec/shown.ts";
import type { MountEvents } from "./mount-interface.ts";
import type { RequestFault } from "./server/dispatch.ts";

export class MountEmitter {
  private readonly emitter = new EventEmitter<MountEvents>();

  add<Name extends keyof MountEvents>(how: "on" | "once", event: Name, listener: Listener<Name>): void {
    this.emitter[how](event, listener as never);
  }

  remove<Name extends keyof MountEvents>(event: Name, listener: Listener<Name>): void {
    this.emitter.off(event, listener as never);
  }

  // What a listener throws is the process's to handle; it must not take a reply, or the end of the session, with it.
  emit<Name extends keyof MountEvents>(event: Name, ...args: MountEvents[Name]): void {
    try {
      this.emitter.emit(event, ...(args as never));
    } catch (thrown) {
      process.nextTick(() => {
        throw thrown;
      });
    }
  }

  /** An `error` event, or a line on standard error where nobody listens. */
  report(fault: RequestFault | Error): void {
    if (this.emitter.listenerCount("error") > 0) {
      this.emit("error", fault);
      return;
    }
    const [what, error] =
      fault instanceof Error ? ["", fault] : [`${fault.opcode} nodeid ${fault.nodeid}: `, fault.error];
    process.stderr.write(`rfuse: ${what}${textOf(error, "stack") ?? messageOf(error)}\n`);
  }
}

type Listener<Name extends keyof MountEvents> = (...args: MountEvents[Name]) => void;
