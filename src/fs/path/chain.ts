// Owns: composition of results that are plain values or promises.
// Invariant: a plain value never becomes a promise, so that a synchronous handler is answered in the same turn.

/** A value, or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;

/** True for anything with a `then` method. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** `next(value)`: at once for a plain value, else when the promise is fulfilled. */
export function chain<T, R>(value: Awaitable<T>, next: (value: T) => Awaitable<R>): R | Promise<R> {
  if (isThenable(value)) return Promise.resolve(value as PromiseLike<T>).then(next);
  const result = next(value);
  return isThenable(result) ? Promise.resolve(result as PromiseLike<R>) : result;
}

/** The result of `run`, or of `rescue` when it throws or rejects. */
export function recover<T, R>(run: () => Awaitable<T>, rescue: (thrown: unknown) => Awaitable<R>): Awaitable<T | R> {
  try {
    const result = run();
    return isThenable(result) ? Promise.resolve(result as PromiseLike<T>).catch(rescue) : result;
  } catch (thrown) {
    return rescue(thrown);
  }
}

/** The result of `run`; `done` is called once after it, whether it succeeded or failed. */
export function finish<T>(run: () => Awaitable<T>, done: () => void): T | Promise<T> {
  let result: Awaitable<T>;
  try {
    result = run();
  } catch (thrown) {
    done();
    throw thrown;
  }
  if (isThenable(result)) return Promise.resolve(result as PromiseLike<T>).finally(done);
  done();
  return result;
}

/** A handler's result as the server takes it. */
export function settle(result: Awaitable<number>): number | Promise<number> {
  return isThenable(result) ? Promise.resolve(result as PromiseLike<number>) : result;
}
