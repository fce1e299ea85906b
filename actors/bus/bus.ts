/**
 * What nodes say to each other. The bus may lose, delay, repeat and reorder; nothing rests on it. What must not be lost is in the journal and its
 * outbox, what must not happen twice carries a key.
 */
import type { EffectId } from '../store/store.ts';
import type { ActorRef, Json, Principal, Refusal, Reply } from '../types.ts';

/** A question about one slot, sent to the node that is believed to own it. */
export interface Asked {
  /** names the exchange at the node that asks */
  readonly rid: number;
  readonly slot: number;
  /** of the ownership that the asking node knows of */
  readonly epoch: number;
  /** ms that the asking node will wait; clocks of nodes are never compared */
  readonly left: number;
}

/** A command whose payload was parsed by its schema at the edge. */
export interface RemoteCommand {
  readonly ref: string;
  readonly type: string;
  /** JSON text of the payload */
  readonly text: string;
  readonly idem: string;
  readonly chk: number;
  readonly from: Principal;
  readonly expect?: number;
  readonly trace?: string;
  readonly traceparent?: string;
}

/**
 * Messages of one actor to another, in order. With `min` the receiver decides on a state that has at least this seq. `traceparent`: of the command
 * that sent the message.
 */
export interface RemoteTells {
  readonly source: string;
  readonly to: string;
  readonly messages: readonly {
    readonly id: EffectId;
    readonly type: string;
    readonly payload: Json;
    readonly min?: number;
    readonly traceparent?: string;
  }[];
}

/** A question that changes nothing, or nothing more when it is asked again; `args` as the method of the same name has them. Of `refused` the readers are told by their index. */
export interface RemoteQuestion {
  readonly method: 'read' | 'allowed' | 'refused' | 'slice' | 'behind' | 'erase' | 'act' | 'standing' | 'workload' | 'ranking';
  readonly args: readonly Json[];
}

export type Question =
  | (Asked & { readonly f: 'cmd'; readonly command: RemoteCommand })
  | (Asked & { readonly f: 'tell'; readonly tells: RemoteTells })
  | (Asked & { readonly f: 'ask'; readonly question: RemoteQuestion });

/** `moved`: the slot is served elsewhere, as far as the asked node knows. */
export type Answer =
  | { readonly f: 'ack'; readonly rid: number; readonly value: Json }
  | { readonly f: 'replies'; readonly rid: number; readonly replies: readonly Reply[] }
  | { readonly f: 'nak'; readonly rid: number; readonly error: Refusal }
  | { readonly f: 'moved'; readonly rid: number; readonly slot: number; readonly owner: string | null; readonly epoch: number };

/** A slot that has changed hands: the numbers of its ownership before and after. */
export interface Handed {
  readonly slot: number;
  readonly was: number;
  readonly epoch: number;
}

/** What a node has kept of an actor in memory, as `frozenText` writes it, under the ownership `epoch` of its slot. */
export interface HandedActor {
  readonly slot: number;
  readonly epoch: number;
  readonly ref: ActorRef;
  /** of the machine */
  readonly mver: number;
  readonly text: string;
  /** a snapshot is due when the actor becomes cold */
  readonly keep: boolean;
}

/** `table`: slots have changed hands. `coming`: the sender is about to give these slots to the receiver. `warm`: actors of these slots; a hint. `given`: it has. `suspect`: the node seems to be lost.
 * `follow`: the sender has subscribers of these topics, which the receiver is believed to serve. `changed`: actors with subscribers at the receiver have changed.
 * `written`: the sender has written these actors, which the receiver is believed to serve, while it could not reach it. `pauses`: the table of pauses has changed. */
export type Notice =
  | { readonly f: 'table' }
  | { readonly f: 'coming'; readonly slots: readonly number[] }
  | { readonly f: 'warm'; readonly format: number; readonly actors: readonly HandedActor[] }
  | { readonly f: 'given'; readonly handed: readonly Handed[] }
  | { readonly f: 'ping' }
  | { readonly f: 'follow'; readonly topics: readonly string[] }
  | { readonly f: 'changed'; readonly refs: readonly ActorRef[] }
  | { readonly f: 'written'; readonly refs: readonly ActorRef[] }
  | { readonly f: 'pauses' }
  | { readonly f: 'suspect'; readonly node: string };

export type Frame = Question | Answer | Notice;

/** One node's end of the bus. Drivers: memory (mem.ts), Redis. */
export interface Bus {
  /** From now on frames for `me` and for all come in, each with the node that sent it. */
  open(me: string, receive: (from: string, frame: Frame) => void): Promise<void>;
  /** Gives the number of receivers: 0 means that the node is gone. Rejects when the bus is out of reach. */
  send(to: string, frame: Frame): Promise<number>;
  /** To all other nodes. */
  broadcast(frame: Frame): Promise<void>;
  close(): Promise<void>;
}
