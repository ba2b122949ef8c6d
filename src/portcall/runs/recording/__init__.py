"""The wiring of recording: live packets and their owners → captures that remember them."""
