import { handlePush } from '@thrum/client/push/sw';

handlePush({ icon: '/favicon.svg' });
