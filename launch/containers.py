"""Video files of every kind, read by vidpetl and by ffmpeg's command line.

  python launch/containers.py --out=containers [--only=h264]

Draws short films whose every frame shows its number, in many containers, codecs
and structures. Each is read all at once and at single random times, and held
against what ffmpeg shows then. Leaves the films and containers.md, a table. It
takes a minute of a core, and needs `pip install imageio-ffmpeg`; --only=WORD
takes the films that have the word in their row.
"""

from __future__ import annotations

FRAMES, FPS, WIDTH, HEIGHT = 60, 25, 64, 48
# Bits of a frame's number, as two rows of four blocks.
_ROWS, _COLUMNS = 2, 4
# Largest mean difference of pixels between the two readers. A frame whose
# number is another one differs by 32 or more.
TOLERANCE = 8.0
SINGLES = 10

# Encoders, and their options.
_X264 = 'libx264 -preset ultrafast -sc_threshold 0'
_ENCODERS = {
  'h264': f'{_X264} -bf 0 -g 12',
  'h264 bframes': f'{_X264} -bf 2 -g 12',
  'h264 one gop': f'{_X264} -bf 2 -g 250',
  'h264 pyramid': f'{_X264} -bf 4 -b-pyramid normal -refs 4 -g 20',
  'h264 open gop': f'{_X264} -bf 3 -g 15 -x264-params open-gop=1',
  'h264 intra refresh': f'{_X264} -bf 0 -g 15 -x264-params intra-refresh=1',
  'h264 interlaced': f'{_X264} -bf 2 -g 12 -x264-params tff=1',
  'h264 full range': f'{_X264} -g 12 -pix_fmt yuvj420p',
  'h264 4:4:4': f'{_X264} -g 12 -pix_fmt yuv444p',
  'h264 10 bit': f'{_X264} -g 12 -pix_fmt yuv420p10le',
  'hevc': 'libx265 -preset ultrafast -x265-params log-level=none:keyint=15',
  'hevc 10 bit': 'libx265 -preset ultrafast -pix_fmt yuv420p10le '
  '-x265-params log-level=none:keyint=15',
  'av1': 'libsvtav1 -preset 12 -g 20 -svtav1-params lp=1',
  'vp8': 'libvpx -deadline realtime -cpu-used 8 -auto-alt-ref 0 -g 20',
  'vp8 altref': 'libvpx -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 10 -g 20',
  'vp9': 'libvpx-vp9 -deadline realtime -cpu-used 8 -g 20',
  'vp9 altref': 'libvpx-vp9 -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 12',
  'mpeg4': 'mpeg4 -q 2 -g 12',
  'mpeg4 bframes': 'mpeg4 -q 2 -g 12 -bf 2',
  'xvid bframes': 'libxvid -q 2 -g 12 -bf 2',
  'mpeg2': 'mpeg2video -q 2 -g 12 -bf 0',
  'mpeg2 bframes': 'mpeg2video -q 2 -g 12 -bf 2',
  'mpeg2 open gop': 'mpeg2video -q 2 -g 9 -bf 2 -sc_threshold 1000000000',
  'mpeg1': 'mpeg1video -q 2 -g 12 -bf 2',
  'mjpeg': 'mjpeg -q 3 -pix_fmt yuvj420p',
  'theora': 'libtheora -q 8 -g 12',
  'flv1': 'flv -q 2 -g 12',
  'wmv2': 'wmv2 -q 2 -g 12',
  'wmv1': 'wmv1 -q 2 -g 12',
  'msmpeg4': 'msmpeg4 -q 2 -g 12',
  'h263': 'h263 -q 2 -g 12 -s 176x144',
  'ffv1': 'ffv1 -g 1',
  'prores': 'prores -profile:v 0',
  'gif': 'gif',
  'dv': 'dvvideo -s 720x576 -pix_fmt yuv420p',
}

# What else an encoder, then a second pass of ffmpeg over its file, is told; or
# what is done to the bytes.
_SOUND = '-f lavfi -t 3 -i sine=440:r=48000'
_VFR = "setpts='(N+if(gt(N,20),9,0)+if(gt(N,40),5,0)+mod(N,3)*0.3)/25/TB'"
_STRUCTURES = {
  '': '',
  'sound': '{sound} -b:a 64k',
  'aac': '{sound} -c:a aac -b:a 64k',
  'opus': '{sound} -c:a libopus -b:a 32k',
  'sound, pictures late': '{sound} -b:a 64k | -itsoffset 1.3 -i {file} '
  '-i {file} -map 0:v -map 1:a -c copy',
  'pictures late, no sound': '-output_ts_offset 2.4 -avoid_negative_ts 0',
  'uneven': f'-vf {_VFR} -fps_mode passthrough -enc_time_base 1/1000',
  'uneven, sound': f'{{sound}} -b:a 64k -vf {_VFR} -fps_mode passthrough '
  '-enc_time_base 1/1000',
  'fragmented': '-movflags frag_keyframe+empty_moov+default_base_moof',
  'edit list': ' | -ss 0.7 -i {file} -c copy',
  'edit list, aac': '{sound} -c:a aac | -ss 0.7 -i {file} -c copy',
  'negative times': '-output_ts_offset -0.5 -avoid_negative_ts 0',
  'starts at an hour': '-output_ts_offset 3600',
  'clock wraps': '-output_ts_offset 95442.1',
  'no frame rate': '| no_rate',
  'no frame rate, uneven': f'-vf {_VFR} -fps_mode passthrough | no_rate',
  'two in one': '| twice',
  'two in one, sound': '{sound} | twice',
  'grid of 600': '-fps_mode passthrough -enc_time_base 1/600 -r 600 '
  "-vf setpts='N*24'",
  'square pixels not': '-aspect 16:9',
  'rotated': ' | -display_rotation 90 -i {file} -c copy',
  'mirrored': ' | -display_hflip -i {file} -c copy',
  'rotated and mirrored': ' | -display_rotation 90 -display_hflip -i {file} '
  '-c copy',
  'live': '-live 1',
  'odd size': '-vf crop=61:45:0:0',
  '29.97 fps': '-vf setpts=N/(30000/1001)/TB -r 30000/1001',
  'cover first': '| -f lavfi -i color=red:s=96x96:r=1 -i {file} -map 0 -map 1 '
  '-frames:v:0 1 -c:v:1 copy -c:v:0 mjpeg -pix_fmt:v:0 yuvj420p '
  '-disposition:v:0 attached_pic',
  'still first': '| -f lavfi -i color=red:s=96x96:r=1 -i {file} -map 0 -map 1 '
  '-frames:v:0 1 -c:v:1 copy -c:v:0 mjpeg -pix_fmt:v:0 yuvj420p',
}

# suffix -> codec -> structures, besides the plain one.
_FILMS = {
  'mp4': {
    'h264': 'sound pictures_late,_no_sound fragmented',
  },
}
