import '../ui/base.css';
import '../ui/parts.css';
import './dash.css';
import './people.css';
import { render } from 'preact';
import { applyTheme, loadTheme } from '../lib/theme.ts';
import { App } from './App.tsx';

applyTheme(loadTheme());
const root = document.getElementById('app');
if (root !== null) render(<App />, root);
