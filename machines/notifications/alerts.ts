/** What an alert of a monitor means to the person it is about. */
import { URL_NAMESPACE, uuid5 } from '../../calc/uuid.ts';
import type { AlertItem } from '../anomaly/schema.ts';
import type { Create } from './schema.ts';

const keyOf = (item: AlertItem): string => `alert:${item.key}`.slice(-120);

/** The notification that an item asks for; undefined when nobody needs to be told. */
export function alertNotice(item: AlertItem, at: number): Create | undefined {
  if (!item.notify || item.status !== 'open') return undefined;
  return {
    id: uuid5(URL_NAMESPACE, `notification/alert/${item.id}/${at}`),
    category: 'anomaly_alert',
    severity: item.level >= 4 ? 'critical' : item.level >= 3 ? 'warning' : 'info',
    collapseKey: keyOf(item),
    titleKey: 'anomaly.alert',
    args: { title: item.title, explanation: item.explanation.slice(0, 500) },
    href: '/#alerts',
  };
}

/** Key of what is over: somebody attends to the alert, or it has closed. */
export const alertOver = (item: AlertItem): string | undefined => (item.status === 'open' ? undefined : keyOf(item));
