"""What the faces that show pages have in common: how a template is rendered, and the frame.

The dashboard, the reports, the paper twin and the public page each have a room of their own,
and none of them imports another; what two of them need stands here.
"""
