/** Imported first, it makes every test kernel of the process fuse messages. */
import { fuseByDefault } from './kernel.ts';

fuseByDefault();
