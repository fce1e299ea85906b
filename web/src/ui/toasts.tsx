import { createContext } from 'preact';
import type { ComponentChildren } from 'preact';
import { useCallback, useContext, useState } from 'preact/hooks';
import type { IconName } from './icons.tsx';
import { Icon } from './icons.tsx';

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly icon: IconName;
}

const Context = createContext<(text: string, icon?: IconName) => void>(() => undefined);

/** Says something short for six seconds, politely announced. */
export const useToast = (): ((text: string, icon?: IconName) => void) => useContext(Context);

let next = 0;

export function Toasts({ children }: { readonly children: ComponentChildren }) {
  const [toasts, set] = useState<readonly Toast[]>([]);
  const say = useCallback((text: string, icon: IconName = 'check') => {
    const id = ++next;
    set((all) => [...all.slice(-3), { id, text, icon }]);
    setTimeout(() => set((all) => all.filter((t) => t.id !== id)), 6_000);
  }, []);
  return (
    <Context.Provider value={say}>
      {children}
      <div class="toasts" role="status" aria-live="polite">
        {toasts.map((t) => (
          <div key={t.id} class="toast">
            <Icon name={t.icon} />
            <span>{t.text}</span>
          </div>
        ))}
      </div>
    </Context.Provider>
  );
}
