/**
 * Finds the route of a request. The router matches paths and decodes parameters; its middleware is not used, because a chain of middleware for
 * each request cost more than the match.
 */
import { Router } from '@koa/router';
import type { Layer } from '@koa/router';
import type { Route } from './route.ts';

export interface Found {
  readonly route: Route;
  /** as declared: the path of the route or one of its aliases */
  readonly path: string;
  readonly params: { readonly [name: string]: string };
}

export interface RouteTable {
  /** HEAD finds what GET finds. */
  find(method: string, path: string): Found | undefined;
  /** Methods that some route takes at this path. */
  methods(path: string): readonly string[];
}

export function routeTable(routes: readonly Route[]): RouteTable {
  const router = new Router();
  const declared = new Map<unknown, { route: Route; path: string }>();
  for (const route of routes) {
    for (const path of [route.path, ...(route.aliases ?? [])]) {
      declared.set(
        router.register(path, [route.method.toLowerCase()], () => undefined),
        { route, path },
      );
    }
  }
  return {
    find(method, path) {
      const [layer] = router.match(path, method).pathAndMethod;
      const entry = declared.get(layer);
      if (layer === undefined || entry === undefined) return undefined;
      return { ...entry, params: paramsOf(layer, path) };
    },
    methods: (path) => [...new Set(router.match(path, 'OPTIONS').path.flatMap((layer) => layer.methods))],
  };
}

const none = {};

const paramsOf = (layer: Layer, path: string): Found['params'] =>
  layer.paramNames.length === 0 ? none : layer.params(path, layer.captures(path));
