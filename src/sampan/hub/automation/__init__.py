"""What happens by itself: webhooks after a push, images built when their source changes."""
