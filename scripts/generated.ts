import type { Registry } from 'prom-client';
import type { ActorKind } from '../actors/define.ts';
import { openApi } from '../server/http/openapi.ts';
import type { Computed } from '../server/live/computed.ts';
import type { Route } from '../server/http/route.ts';
import { asyncApiText, schemasText } from './asyncapi.ts';
import { contractText, offlineText } from './contract.ts';
import { configurationText, errorsText, metricsText, topicsText } from './reference.ts';
import { repliesText } from './replies.ts';
import { sdkText } from './sdk-reference.ts';

/** Path and text of every generated file. */
export function generated(o: {
  kinds: readonly ActorKind[];
  computed: readonly Computed[];
  routes: readonly Route[];
  registry: Registry;
  version: string;
}): [path: string, text: string][] {
  return [
    ['client-sdk/src/generated/contract.ts', contractText(o.kinds, o.computed)],
    ['client-sdk/src/generated/offline.ts', offlineText(o.kinds)],
    ['web/src/generated/replies.ts', repliesText(o.routes)],
    [
      'docs/reference/openapi.json',
      `${JSON.stringify(openApi(o.routes, { version: o.version, publicUrl: 'http://localhost:3000' }), null, 2)}\n`,
    ],
    ['docs/reference/asyncapi.json', asyncApiText(o.kinds, o.computed, o.version)],
    ['docs/reference/topics.schema.json', schemasText(o.kinds, o.computed)],
    ['docs/reference/configuration.md', configurationText()],
    ['docs/reference/errors.md', errorsText()],
    ['docs/reference/metrics.md', metricsText(o.registry)],
    ['docs/reference/topics.md', topicsText(o.kinds, o.computed)],
    ['docs/reference/sdk.md', sdkText()],
  ];
}
