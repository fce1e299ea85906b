import type { Knex } from 'knex';

/** What the demo has finished, by name: a restart does not begin it again. */
export interface Marks {
  has(name: string): Promise<boolean>;
  set(name: string): Promise<void>;
}

export const createMarks = (knex: Knex, wall: () => number): Marks => ({
  has: async (name) => (await knex('demo_marks').where({ name }).first('name')) !== undefined,
  set: async (name) => {
    await knex('demo_marks')
      .insert({ name, at: new Date(wall()) })
      .onConflict('name')
      .ignore();
  },
});
