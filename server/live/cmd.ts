import { maySend } from '../identity/scope.ts';
import { document, Problem } from '../problems.ts';
import { runCommand } from './commands.ts';
import type { LiveSocket } from './connection.ts';
import { parse } from './context.ts';
import type { LiveContext } from './context.ts';
import { both } from './limits.ts';
import { Cmd } from './protocol.ts';
import type { Ack } from './protocol.ts';

/** `cmd`: the acknowledgement follows the commit (realtime R7). */
export async function handleCommand(x: LiveContext, socket: LiveSocket, payload: unknown): Promise<Ack> {
  const c = socket.data.connection;
  const started = x.clock.mono();
  const cmd = parse(x, socket, Cmd, payload);
  const requestId = x.newId();
  try {
    const user = c.caller.session?.userId;
    const verdict = both(c.limits.take('cmd', started), () => (user === undefined ? { ok: true } : x.perUser.take(user)));
    if (!verdict.ok) throw new Problem('RATE_LIMITED', undefined, undefined, verdict);
    if (c.inFlight >= x.config.inFlightPerConnection) throw new Problem('TOO_MANY_IN_FLIGHT', undefined, undefined, { retryAfterMs: 100 });
    if (!maySend(c.caller.session?.scope, cmd.type)) throw new Problem('FORBIDDEN', 'the token does not name this command');
    c.inFlight += 1;
    try {
      const { id, to, type, d, seq, ms } = cmd;
      const from = c.caller.principal;
      const reply = await runCommand(x.actors, x.config, { key: id, to, type, payload: d, seq, deadline: ms, from, trace: requestId });
      x.metrics.commands.inc({ outcome: reply.ok ? 'ok' : 'refused' });
      if (!reply.ok) return { ok: false, id, error: document(reply.error, requestId), seq: reply.seq };
      const { ok: _, ...rest } = reply;
      return { ok: true, id, ...rest };
    } finally {
      c.inFlight -= 1;
      x.metrics.commandSeconds.observe((x.clock.mono() - started) / 1_000);
    }
  } catch (error) {
    x.metrics.commands.inc({ outcome: 'error' });
    return { ok: false, id: cmd.id, error: x.problem(error) };
  }
}
