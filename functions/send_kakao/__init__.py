"""The send_kakao function."""
