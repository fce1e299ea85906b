document.title = 'Thrum';
