import '../ui/base.css';
import '../ui/parts.css';
import '../dash/dash.css';
import '../dash/people.css';
import './inspect.css';
import './tiles.css';
import { render } from 'preact';
import { applyTheme, loadTheme } from '../lib/theme.ts';
import { App } from './App.tsx';

applyTheme(loadTheme());
const root = document.getElementById('app');
if (root !== null) render(<App />, root);
