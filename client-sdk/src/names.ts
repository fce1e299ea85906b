/** Types that tie topic and command names to the generated contract; nothing of this exists at run time. */
import type { Commands, Topics } from './generated/contract.ts';

type Query<P extends keyof Topics> = Topics[P] extends { readonly query: string } ? `?${string}` : '';

/** The names that a pattern such as `user:{id}/energy` stands for. */
type Named<P extends keyof Topics> = P extends `${infer Kind}:{id}/${infer View}` ? `${Kind}:${string}/${View}${Query<P>}` : P;

type PatternOf<N> = { [P in keyof Topics]: N extends Named<P> ? P : never }[keyof Topics];

type Of<Kind extends string> = { [P in keyof Topics]: Topics[P] extends { readonly kind: Kind } ? Named<P> : never }[keyof Topics];

/** Names of topics that show one value: views and signals. */
export type StateName = Of<'state' | 'signal'>;

/** Names of log topics. */
export type LogName = Of<'log'>;

export type ViewOf<N> = Topics[PatternOf<N>] extends { readonly view: infer V } ? V : never;

export type ItemOf<N> = Topics[PatternOf<N>] extends { readonly item: infer I } ? I : never;

/** Ref of an actor of kind `K`; `user:me` is the signed-in user. */
export type ActorName<K extends string> = `${K}:${string}`;

export type Input<K extends keyof Commands, C extends keyof Commands[K]> = Commands[K][C] extends { readonly input: infer I } ? I : never;

export type Reply<K extends keyof Commands, C extends keyof Commands[K]> = Commands[K][C] extends { readonly reply: infer R } ? R : never;
