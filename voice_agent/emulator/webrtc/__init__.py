"""Realtime over WebRTC on the local server: HTTP routes, ephemeral secrets, and peers that speak RTP."""
