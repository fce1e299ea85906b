/** The logins of the demo studio, for the sign-in page. They protect nothing: the same ones stand in the banner and in the README. */
import { z } from 'zod';
import type { Config } from '../../config.ts';
import { people } from '../../demo/people.ts';
import type { Identity } from '../../identity/identity.ts';
import { answer, route } from '../route.ts';
import type { Route } from '../route.ts';

const DemoLogin = z.strictObject({ email: z.string(), password: z.string(), displayName: z.string(), roles: z.array(z.string()) });
type DemoLogin = z.output<typeof DemoLogin>;

export function demoRoutes({ config, identity }: { readonly config: Config; readonly identity: Identity }): Route[] {
  let known: readonly DemoLogin[] = [];
  /** Those whose account exists; an installation that was never a demo has none. */
  const logins = async (): Promise<readonly DemoLogin[]> => {
    if (config.demo === 'off' || known.length === people.length) return known;
    const found = await Promise.all(people.map(async (p) => ((await identity.users.byEmail(p.email)) === undefined ? [] : [p])));
    known = found.flat().map(({ email, password, displayName, roles = [] }) => ({ email, password, displayName, roles: [...roles] }));
    return known;
  };
  return [
    route({
      method: 'GET',
      path: '/v1/demo',
      auth: 'none',
      summary: 'Logins of the demo studio; none where there is no demo',
      tag: 'auth',
      reply: { 200: z.strictObject({ logins: z.array(DemoLogin) }) },
      run: async () => answer({ logins: [...(await logins())] }),
    }),
  ];
}
