"""
What everyday words look like: colours, outlines and things, in English and Chinese.

A general-purpose table, so that the emulator can bring "香蕉", "banana" and a picture of something yellow and
curved together. Three kinds of rows, one per line:

- colour: `basic term | words | sample colours`;
- outline: `name | shapes`, painted in order on a 100 x 100 square, y downwards: a polygon `x,y x,y ...` or an
  ellipse `o x,y,rx,ry`; a leading `-` erases; `||` separates usual views; a leading `*` means any rotation;
- thing: `words | colours | outline | group`. Colours are listed dominant first; a scene has `top/middle/bottom`.

An underscore stands for the space inside an English phrase. This module is long because a table of everyday
words in two languages is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

COLOURS = """
red    | red reddish 红 大红 鲜红 赤 | d81e1e e83a30 b81818
red    | crimson scarlet ruby cherry_red 绯红 朱红 猩红 | dc143c d0102c
red    | maroon burgundy dark_red wine_red 深红 暗红 酒红 枣红 | 8b0000 800020
orange | orange amber tangerine 橙 橘 橘黄 橙黄 橘红 橙红 琥珀 | ff8c00 f57c1f ff7518
yellow | yellow yellowish lemon_yellow 黄 鲜黄 明黄 柠檬黄 | ffd800 f5e12f fff04a
yellow | gold golden mustard 金色 金黄 土黄 | e8b820 d4af37
green  | green greenish 绿 翠绿 碧绿 | 2e9e3a 1f8b2c 4cb050
green  | dark_green forest_green olive 深绿 墨绿 暗绿 橄榄绿 | 14501e 556b2f 0b3d14
green  | light_green lime mint grass_green 浅绿 淡绿 嫩绿 草绿 | 90d860 9be89b b4e06a
cyan   | cyan teal turquoise aqua 青 青绿 蓝绿 湖蓝 | 18b8b8 008080 40e0d0
blue   | blue bluish azure cobalt sea_blue 蓝 蔚蓝 湛蓝 宝蓝 海蓝 | 1f5fd8 2878e0 1848b0
blue   | sky_blue light_blue pale_blue baby_blue 天蓝 浅蓝 淡蓝 | 87ceeb 6db8f2 a8d4f5
blue   | navy navy_blue dark_blue midnight_blue indigo 深蓝 藏青 藏蓝 靛蓝 靛 暗蓝 | 0a1f5c 101848 1c2a78
purple | purple violet magenta plum 紫 紫红 品红 | 7b2fa8 9040c0 5a1a80
purple | lavender lilac light_purple 淡紫 浅紫 紫罗兰 丁香紫 薰衣草紫 | c8a8e8 b090d8
pink   | pink rosy salmon hot_pink 粉 粉红 桃红 玫红 玫瑰红 | ff8fb4 f86aa0 ffc0cb
brown  | brown brownish chocolate_brown coffee_coloured tan 棕 褐 咖啡色 茶色 赭色 栗色 | 7a4a20 8b5a2b 5c3818
beige  | beige cream ivory khaki sandy 米色 米白 米黄 奶油色 卡其 杏色 沙色 | f0e0c0 e8d0a0 d8c090
white  | white snow_white 白 雪白 纯白 洁白 | ffffff f4f4f4
grey   | grey gray greyish grayish silver ash 灰 银色 银灰 | 808080 a0a0a0 c0c0c0
grey   | dark_grey dark_gray charcoal 深灰 暗灰 炭灰 | 4c4c4c 5c6068
black  | black jet_black 黑 漆黑 乌黑 墨黑 | 080808 202020
"""

OUTLINES = """
disc       | o 50,50,50,50
oval       | * o 50,50,50,34
ring       | o 50,50,50,50; -o 50,50,30,30
crescent   | * o 50,50,50,50; -o 76,50,46,46
banana     | * o 50,20,50,45; -o 50,2,54,40 || * o 50,20,50,55; -o 50,-4,56,50
square     | 0,0 100,0 100,100 0,100
diamond    | 50,0 100,50 50,100 0,50
wide       | 0,20 100,20 100,80 0,80
tall       | 25,0 75,0 75,100 25,100
tower      | 35,0 65,0 65,100 35,100 || 50,0 68,30 68,100 32,100 32,30
bar        | * 0,45 100,45 100,55 0,55
triangle   | 50,0 100,88 0,88
pentagon   | 50,0 100,38 81,97 19,97 0,38
hexagon    | 25,7 75,7 100,50 75,93 25,93 0,50
star       | 50,0 62,36 100,36 69,58 81,96 50,73 19,96 31,58 0,36 38,36
heart      | 50,25 62,8 80,4 96,15 100,35 88,58 50,96 12,58 0,35 4,15 20,4 38,8
cross      | 34,0 66,0 66,34 100,34 100,66 66,66 66,100 34,100 34,66 0,66 0,34 34,34
arrow      | * 0,38 60,38 60,15 100,50 60,85 60,62 0,62
lightning  | 55,0 20,55 45,55 30,100 80,38 52,38 75,0
drop       | 50,0 75,50 80,72 68,92 50,100 32,92 20,72 25,50
arch       | o 50,90,50,80; -o 50,90,32,56; -0,90 100,90 100,200 0,200
chair      | 10,0 24,0 24,46 88,46 88,100 75,100 75,60 24,60 24,100 10,100 || \
20,0 80,0 80,50 88,50 88,64 82,64 82,100 72,100 72,64 28,64 28,100 18,100 18,64 12,64 12,50 20,50
table      | 0,20 100,20 100,34 92,34 92,88 82,88 82,34 18,34 18,88 8,88 8,34 0,34
sofa       | 0,40 14,40 14,18 86,18 86,40 100,40 100,78 92,78 92,86 84,86 84,78 16,78 16,86 8,86 8,78 0,78
bed        | 0,20 8,20 8,45 100,45 100,78 92,78 92,66 8,66 8,78 0,78
lamp       | 30,0 70,0 90,40 55,40 55,88 75,88 75,100 25,100 25,88 45,88 45,40 10,40
car        | 0,52 14,48 30,28 70,28 86,48 100,52 100,70 0,70; o 22,71,11,11; o 78,71,11,11
bus        | 0,22 100,22 100,70 0,70; o 20,71,9,9; o 80,71,9,9
truck      | 0,20 65,20 65,35 85,35 100,52 100,70 0,70; o 20,71,10,10; o 80,71,10,10
bicycle    | o 22,68,22,22; -o 22,68,16,16; o 78,68,22,22; -o 78,68,16,16; \
20,68 38,32 68,32 80,68 74,70 65,40 44,40 28,70; 30,24 46,24 46,30 30,30
plane      | * \
45,0 55,0 58,35 100,60 100,68 57,55 56,85 70,95 70,100 50,96 30,100 30,95 44,85 43,55 0,68 0,60 42,35
boat       | 0,72 100,72 82,98 18,98; 47,5 53,5 53,74 47,74; 48,66 48,5 8,66; 52,66 52,14 88,66
house      | 50,0 100,42 90,42 90,100 10,100 10,42 0,42
tree       | o 50,34,38,34; 43,60 57,60 57,100 43,100
conifer    | 50,0 80,45 65,45 92,82 56,82 56,100 44,100 44,82 8,82 35,45 20,45
flower     | o 50,22,20,20; o 77,41,20,20; o 67,73,20,20; o 33,73,20,20; o 23,41,20,20; o 50,50,18,18 || \
o 50,12,11,11; o 66,23,11,11; o 60,41,11,11; o 40,41,11,11; o 34,23,11,11; o 50,28,11,11; 47,40 53,40 53,100 47,100
leaf       | * 0,100 8,50 40,10 100,0 90,60 50,92
mushroom   | 0,50 8,22 30,4 50,0 70,4 92,22 100,50 62,50 66,100 34,100 38,50
pear       | o 50,68,33,32; o 50,30,18,27
grapes     | o 20,26,17,17; o 50,24,17,17; o 80,26,17,17; o 35,50,17,17; o 65,50,17,17; o 50,76,17,17
apple      | o 36,58,34,38; o 64,58,34,38; 47,4 54,4 54,30 47,30
strawberry | 50,100 12,48 10,24 30,8 50,12 70,8 90,24 88,48
carrot     | * 28,22 72,22 50,100; 38,0 62,0 58,24 42,24
fish       | o 42,50,42,24; 72,50 100,24 100,76
bird       | o 48,55,32,20; o 78,34,13,13; 88,31 100,36 88,40; 24,50 0,36 6,62; 44,70 48,70 48,92 44,92
animal     | \
18,36 72,36 78,12 84,16 90,12 100,26 98,38 86,44 84,60 84,100 74,100 74,68 32,68 32,100 20,100 20,60 8,64 4,54
butterfly  | 50,45 80,5 100,20 85,52 90,85 70,90 50,60 30,90 10,85 15,52 0,20 20,5
person     | o 50,12,12,12; 34,26 66,26 74,60 64,62 62,100 52,100 50,66 48,100 38,100 36,62 26,60
bottle     | 42,0 58,0 58,25 70,38 70,100 30,100 30,38 42,25
cup        | o 76,46,22,22; -o 76,46,13,13; 6,15 74,15 68,90 12,90
shirt      | 30,5 70,5 100,28 88,48 75,38 75,95 25,95 25,38 12,48 0,28
trousers   | 25,0 75,0 82,100 60,100 50,30 40,100 18,100
dress      | 38,0 62,0 62,35 85,100 15,100 38,35
shoe       | 0,30 35,30 60,50 95,58 100,75 0,75
hat        | 25,20 75,20 78,60 100,70 100,78 0,78 0,70 22,60
umbrella   | 0,50 10,25 30,8 50,2 70,8 90,25 100,50 53,50 53,90 62,92 68,84 72,88 64,100 50,98 47,90 47,50
key        | * o 20,50,20,20; -o 20,50,9,9; 38,44 100,44 100,68 92,68 92,56 82,56 82,64 74,64 74,56 38,56
cloud      | o 26,60,24,20; o 50,46,26,28; o 76,58,24,21; 20,60 84,60 84,80 20,80
mountain   | 0,95 35,20 52,55 68,30 100,95
guitar     | * o 25,72,23,23; o 45,52,16,16; 48,42 92,2 100,10 56,52
bag        | o 50,32,26,30; -o 50,32,17,21; 8,30 92,30 98,100 2,100
flag       | 0,0 7,0 7,5 100,5 100,60 7,60 7,100 0,100 || 0,18 100,18 100,82 0,82
"""

THINGS = """
sea ocean seascape seaside marine waves 海 大海 海洋 海景 海面 海水 海浪 海边 | sky_blue/blue/blue | - | nature
lake pond 湖 湖泊 湖水 湖面 池塘 | sky_blue/green,blue/blue,cyan | - | nature
river stream 河 河流 小溪 江 江水 | sky_blue/green/blue,cyan | - | nature
beach coast shore 海滩 沙滩 海岸 | sky_blue/blue,cyan/beige,sandy | - | nature
sky 天空 天 晴空 | sky_blue/sky_blue/- | - | nature
blue_sky 蓝天 | sky_blue,blue/sky_blue/- | - | nature
sunset sundown dusk 日落 夕阳 晚霞 落日 黄昏 | \
 orange,red,purple,pink/orange,red,yellow/black,orange,brown,purple | - | nature
sunrise dawn 日出 朝阳 朝霞 黎明 | orange,pink,sky_blue/yellow,orange,red/orange,dark_blue,black | - | nature
night nighttime night_sky starry_sky midnight 夜 夜晚 夜空 星空 夜色 深夜 夜景 | \
black,navy/black,navy/black,navy | - | nature
day daytime 白天 白昼 | sky_blue/sky_blue/- | - | nature
forest woods jungle woodland 森林 树林 丛林 林子 | green,dark_green/dark_green,green/dark_green,brown | - | nature
grass lawn meadow grassland field prairie 草 草地 草坪 草原 草丛 田野 | \
 sky_blue/green,light_green/green,light_green | - | nature
desert dune sand 沙漠 沙丘 戈壁 沙子 | sky_blue/beige,gold/gold,beige,orange | - | nature
snow snowy snowfield ice 雪 雪地 雪景 冰 冰雪 | white,light_blue/white/white | - | nature
mountain hill peak 山 高山 山峰 山脉 大山 山丘 | sky_blue/grey,green/green,grey | mountain | nature
snow_mountain snowy_mountain 雪山 | sky_blue/white,grey/white,grey | mountain | nature
volcano 火山 | grey,red/brown,black/brown,black | mountain | nature
waterfall 瀑布 | green,white/white,sky_blue/blue,green | - | nature
road street highway 路 道路 马路 公路 街道 | sky_blue/grey,green/grey,dark_grey | - | place
city skyline downtown 城市 都市 | sky_blue/grey/grey | tower | place
wheat wheat_field 麦田 稻田 小麦 | sky_blue/gold,yellow/gold,yellow | - | nature
lavender_field 薰衣草 薰衣草田 | sky_blue/purple,lavender/purple,green | - | nature
fire flame flames 火 火焰 火苗 | red,orange,yellow | drop | nature
rain rainy 雨 下雨 雨天 | grey/grey/grey,blue | - | nature
fog mist 雾 | grey,white/grey,white/grey | - | nature
sun 太阳 阳光 日头 | yellow,orange | disc | nature
moon full_moon 月亮 月球 满月 明月 | yellow,white | disc | nature
crescent crescent_moon 月牙 弯月 新月 | yellow,white | crescent | nature
star 星 星星 五角星 星形 | yellow | star | shape
cloud clouds 云 云朵 白云 云彩 | white,grey | cloud | nature
rainbow 彩虹 | red,orange,yellow,green,blue,purple | arch | nature
lightning thunder 闪电 | yellow | lightning | nature
water 水 | blue,sky_blue | drop | nature
raindrop drop droplet 水滴 雨滴 | blue,sky_blue | drop | nature
stone rock pebble 石头 岩石 石 | grey,brown | oval | nature
earth globe planet 地球 星球 行星 | blue,green | disc | nature
circle disc disk round dot 圆 圆形 圆圈 圆点 圆盘 | - | disc | shape
ring 环 圆环 | - | ring | shape
oval ellipse 椭圆 椭圆形 | - | oval | shape
square 正方形 方形 方块 | - | square | shape
rectangle 长方形 矩形 | - | wide | shape
triangle 三角形 三角 | - | triangle | shape
diamond rhombus 菱形 | - | diamond | shape
pentagon 五边形 | - | pentagon | shape
hexagon 六边形 | - | hexagon | shape
heart love_heart 心形 爱心 心 红心 桃心 | red,pink | heart | shape
cross plus 十字 十字架 加号 | - | cross | shape
arrow 箭头 | - | arrow | shape
line stripe pencil_line 线 直线 线条 | - | bar | shape
fruit 水果 果实 | - | - | fruit
banana 香蕉 芭蕉 | yellow | banana | fruit
apple 苹果 | red | apple | fruit
green_apple 青苹果 | light_green,green | apple | fruit
orange tangerine mandarin 橙子 橘子 柑橘 桔子 | orange | disc | fruit
lemon 柠檬 | yellow | oval | fruit
lime 青柠 | light_green,green | oval | fruit
strawberry 草莓 | red,green | strawberry | fruit
cherry 樱桃 车厘子 | crimson,maroon | disc | fruit
grape grapes 葡萄 提子 | purple,violet | grapes | fruit
blueberry 蓝莓 | navy,blue | disc | fruit
watermelon 西瓜 | green,red,dark_green | disc | fruit
melon cantaloupe 瓜 甜瓜 哈密瓜 | beige,light_green | oval | fruit
peach 桃 桃子 水蜜桃 | pink,orange | apple | fruit
pear 梨 梨子 雪梨 | yellow,light_green | pear | fruit
pineapple 菠萝 凤梨 | gold,yellow,green | oval | fruit
mango 芒果 | orange,yellow | oval | fruit
kiwi 猕猴桃 奇异果 | brown,green | oval | fruit
coconut 椰子 | brown | disc | fruit
plum 李子 梅子 | purple | disc | fruit
avocado 牛油果 鳄梨 | dark_green,green | pear | fruit
vegetable 蔬菜 青菜 | green | - | vegetable
tomato 番茄 西红柿 | red | disc | vegetable
carrot 胡萝卜 红萝卜 | orange,green | carrot | vegetable
potato 土豆 马铃薯 | brown,beige | oval | vegetable
cucumber 黄瓜 | green,dark_green | bar | vegetable
aubergine eggplant 茄子 | purple | pear | vegetable
pumpkin 南瓜 | orange | oval | vegetable
corn 玉米 | yellow,green | oval | vegetable
cabbage lettuce 白菜 卷心菜 生菜 | light_green,white | disc | vegetable
chilli chili pepper 辣椒 | red,green | banana | vegetable
onion 洋葱 | purple,brown | disc | vegetable
garlic 大蒜 | white | drop | vegetable
mushroom 蘑菇 香菇 | brown,beige,red | mushroom | vegetable
broccoli 西兰花 | green,dark_green | tree | vegetable
food meal dish 食物 食品 菜 饭菜 | - | - | food
bread toast loaf 面包 吐司 | brown,gold | oval | food
cake 蛋糕 | pink,beige,white | wide | food
cookie biscuit 饼干 曲奇 | brown,gold | disc | food
egg 鸡蛋 蛋 | white,beige | oval | food
fried_egg 煎蛋 荷包蛋 | white,yellow | disc | food
cheese 奶酪 芝士 | yellow | triangle | food
pizza 披萨 比萨 | gold,red | disc | food
burger hamburger 汉堡 汉堡包 | brown,green,red | oval | food
rice 米饭 大米 | white | oval | food
noodles noodle pasta 面条 面 拉面 | beige,yellow | oval | food
dumpling 饺子 包子 | white,beige | oval | food
chocolate 巧克力 | brown | wide | food
ice_cream 冰淇淋 雪糕 | pink,beige,brown | carrot | food
candy sweet lollipop 糖果 糖 棒棒糖 | pink,red | disc | food
milk 牛奶 | white | bottle | drink
coffee 咖啡 | brown,white | cup | drink
tea 茶 茶水 | brown,green | cup | drink
juice 果汁 | orange | bottle | drink
beer 啤酒 | gold,white | cup | drink
wine red_wine 红酒 葡萄酒 酒 | maroon | bottle | drink
bottle flask 瓶 瓶子 酒瓶 水瓶 | green,blue | bottle | household
cup mug glass 杯 杯子 马克杯 水杯 茶杯 | white | cup | household
teapot kettle 茶壶 水壶 壶 | brown,grey | cup | household
bowl 碗 | white | oval | household
plate dish_plate 盘子 碟子 盘 | white | disc | household
spoon 勺子 汤匙 | grey | bar | household
fork 叉子 | grey | bar | household
knife 刀 刀子 | grey | bar | household
pot pan 锅 平底锅 | black,grey | oval | household
furniture 家具 | - | - | furniture
chair armchair stool seat 椅子 椅 凳子 座椅 靠椅 | brown | chair | furniture
table desk 桌子 桌 书桌 餐桌 茶几 | brown | table | furniture
sofa couch 沙发 | grey,brown | sofa | furniture
bed 床 床铺 | white,brown | bed | furniture
lamp table_lamp 台灯 灯 落地灯 | yellow,beige | lamp | furniture
bookshelf shelf cabinet wardrobe cupboard 书架 柜子 衣柜 架子 | brown | tall | furniture
door 门 大门 | brown | tall | furniture
window 窗 窗户 窗子 | sky_blue,white | square | furniture
mirror 镜子 | grey,sky_blue | oval | furniture
carpet rug 地毯 | red,beige | wide | furniture
pillow cushion 枕头 抱枕 靠垫 | white | wide | furniture
fridge refrigerator 冰箱 | white,grey | tall | household
clock watch wristwatch 钟 时钟 手表 钟表 | white,black | disc | household
umbrella parasol 伞 雨伞 阳伞 | red,blue | umbrella | household
key 钥匙 | gold,grey | key | household
candle 蜡烛 | beige,red | tower | household
bulb light_bulb 灯泡 | yellow | pear | household
box package 盒子 箱子 纸箱 包裹 | brown,beige | square | household
gift present 礼物 礼盒 | red | square | household
vase 花瓶 | white,blue | bottle | household
scissors 剪刀 | grey,red | cross | household
broom 扫帚 | brown,yellow | bar | household
vehicle traffic 交通工具 车辆 | - | - | vehicle
car automobile sedan taxi 汽车 轿车 小汽车 车 出租车 跑车 | red,grey | car | vehicle
bus coach 公交车 巴士 公共汽车 大巴 客车 | yellow,red | bus | vehicle
school_bus 校车 | yellow | bus | vehicle
truck lorry van 卡车 货车 | blue,grey | truck | vehicle
fire_engine fire_truck 消防车 | red | truck | vehicle
ambulance 救护车 | white,red | truck | vehicle
train tram metro subway 火车 列车 地铁 高铁 | grey,green | wide | vehicle
bicycle bike cycle 自行车 单车 | black,red | bicycle | vehicle
motorcycle motorbike scooter 摩托车 电动车 | black,red | bicycle | vehicle
plane airplane aeroplane aircraft jet 飞机 客机 | white,grey | plane | vehicle
helicopter 直升机 | grey,red | fish | vehicle
boat ship sailboat yacht sailing_boat 船 帆船 小船 轮船 游艇 | white,brown | boat | vehicle
rocket spaceship 火箭 飞船 | white,red | tower | vehicle
balloon hot_air_balloon 气球 热气球 | red | pear | object
wheel tyre tire 轮子 车轮 轮胎 | black,grey | ring | object
house home cottage hut 房子 房屋 小屋 家 屋子 | beige,red,brown | house | building
building skyscraper tower 楼 大楼 高楼 建筑 摩天大楼 塔 | grey | tower | building
castle palace 城堡 宫殿 | grey,beige | house | building
church temple 教堂 寺庙 | white,brown | house | building
lighthouse 灯塔 | white,red | tower | building
tent 帐篷 | orange,green | triangle | building
bridge 桥 大桥 | grey,brown | arch | building
fence wall 篱笆 墙 围墙 | white,brown | wide | building
brick bricks 砖 砖头 | red,brown | wide | building
flag banner 旗 旗子 旗帜 国旗 | red | flag | object
traffic_light 红绿灯 交通灯 | black,red,yellow,green | tower | object
plant 植物 | green | - | plant
tree 树 大树 树木 | green,brown | tree | plant
pine pine_tree fir christmas_tree conifer 松树 圣诞树 杉树 | dark_green,green,brown | conifer | plant
palm palm_tree 棕榈树 椰子树 椰树 | green,brown | tree | plant
maple maple_leaf 枫叶 红叶 枫树 | red,orange | leaf | plant
leaf leaves 叶子 树叶 绿叶 叶 | green,light_green | leaf | plant
flower blossom bloom 花 花朵 鲜花 小花 | pink,red,yellow | flower | plant
rose 玫瑰 玫瑰花 月季 | red,pink,green | flower | plant
tulip 郁金香 | red,yellow,green | flower | plant
sunflower 向日葵 | yellow,brown | flower | plant
cherry_blossom sakura 樱花 桃花 梅花 | pink,white | flower | plant
lotus 荷花 莲花 | pink,green | flower | plant
daisy 雏菊 菊花 | white,yellow | flower | plant
cactus 仙人掌 | green | cross | plant
bamboo 竹子 竹 | green,light_green | bar | plant
wood timber 木头 木 木材 | brown | wide | material
metal steel iron 金属 钢 铁 | grey | - | material
animal 动物 | - | - | animal
cat kitten 猫 小猫 猫咪 | orange,grey,black | animal | animal
dog puppy 狗 小狗 犬 | brown,beige | animal | animal
horse pony 马 骏马 | brown | animal | animal
cow cattle bull ox 牛 奶牛 公牛 | white,black,brown | animal | animal
pig 猪 小猪 | pink | animal | animal
sheep lamb goat 羊 绵羊 山羊 | white | animal | animal
elephant 大象 象 | grey | animal | animal
lion 狮子 狮 | gold,brown | animal | animal
tiger 老虎 虎 | orange,black | animal | animal
bear 熊 狗熊 | brown | animal | animal
panda 熊猫 | white,black | animal | animal
rabbit bunny 兔子 兔 | white,grey | animal | animal
mouse rat 老鼠 鼠 | grey | animal | animal
fox 狐狸 | orange,white | animal | animal
wolf 狼 | grey | animal | animal
deer 鹿 | brown | animal | animal
giraffe 长颈鹿 | gold,brown | animal | animal
zebra 斑马 | black,white | animal | animal
monkey ape 猴子 猴 | brown | person | animal
bird sparrow 鸟 小鸟 鸟儿 | blue,brown | bird | animal
parrot 鹦鹉 | green,red | bird | animal
crow raven 乌鸦 | black | bird | animal
swan goose 天鹅 鹅 | white | bird | animal
duck 鸭子 鸭 | yellow,white | bird | animal
chicken hen rooster 鸡 母鸡 公鸡 | brown,red | bird | animal
chick 小鸡 | yellow | bird | animal
penguin 企鹅 | black,white | bottle | animal
owl 猫头鹰 | brown | oval | animal
fish 鱼 小鱼 鱼类 | orange,grey,blue | fish | animal
goldfish 金鱼 | orange,gold | fish | animal
shark whale dolphin 鲨鱼 鲸鱼 海豚 鲸 | grey,blue | fish | animal
frog 青蛙 | green | oval | animal
turtle tortoise 乌龟 海龟 | green,brown | oval | animal
snake 蛇 | green | banana | animal
butterfly 蝴蝶 | orange,blue,black | butterfly | animal
bee 蜜蜂 | yellow,black | oval | animal
ladybird ladybug 瓢虫 | red,black | disc | animal
spider 蜘蛛 | black | star | animal
crab lobster 螃蟹 龙虾 | red,orange | oval | animal
person people man woman human 人 男人 女人 人物 | beige,black | person | people
child kid boy girl baby 孩子 小孩 男孩 女孩 宝宝 | beige,pink | person | people
face portrait 脸 人像 肖像 笑脸 | beige | disc | people
eye 眼睛 | white,brown | oval | people
hand 手 手掌 | beige | flower | people
clothes clothing 衣服 服装 | - | shirt | clothing
shirt t-shirt tshirt sweater jacket coat 衬衫 衬衣 毛衣 外套 夹克 上衣 大衣 | white,blue | shirt | clothing
trousers pants jeans 裤子 牛仔裤 长裤 | blue,navy | trousers | clothing
dress skirt gown 裙子 连衣裙 长裙 裙 | red,pink | dress | clothing
shoe sneaker boot trainer 鞋 鞋子 运动鞋 靴子 | brown,white | shoe | clothing
hat cap 帽子 帽 | black,brown | hat | clothing
bag handbag backpack purse 包包 背包 手提包 书包 袋子 | brown,black | bag | clothing
sock 袜子 | white | shoe | clothing
scarf 围巾 | red | wide | clothing
glasses spectacles sunglasses 眼镜 墨镜 | black | bicycle | clothing
crown 皇冠 王冠 | gold | hat | object
necklace jewel 项链 珠宝 | gold | ring | object
coin money 硬币 钱币 金币 | gold,grey | disc | object
phone smartphone mobile 手机 电话 | black,grey | tall | device
computer laptop screen monitor 电脑 笔记本电脑 屏幕 显示器 计算机 | black,grey | wide | device
keyboard 键盘 | black,grey | wide | device
camera 相机 照相机 | black | wide | device
television tv 电视 电视机 | black | wide | device
book notebook 书 书本 书籍 | blue,brown | tall | object
newspaper paper page 报纸 纸 | white | tall | object
letter envelope 信 信封 | white,beige | wide | object
pen pencil brush 笔 铅笔 钢笔 画笔 | yellow,black | bar | object
ruler 尺子 | yellow | bar | object
guitar violin 吉他 小提琴 | brown | guitar | object
piano 钢琴 | black,white | wide | object
drum 鼓 | red,white | square | object
ball 球 皮球 | red | disc | sport
basketball 篮球 | orange,black | disc | sport
football soccer soccer_ball 足球 | white,black | disc | sport
tennis_ball tennis 网球 | yellow,light_green | disc | sport
toy doll teddy 玩具 玩偶 | brown,pink | animal | object
kite 风筝 | red | diamond | object
bone 骨头 | white | bar | object
feather 羽毛 | white | leaf | object
lantern 灯笼 | red | oval | object
"""

# Colours named with these words describe the background, not the thing.
BACKDROPS = "background backdrop 背景 底色 底"

# A colour after one of these is the one not wanted.
NEGATIONS = (
    "not no without non never 不 不是 不要 没有 别 非 无 而非 而不是 instead_of rather_than except 除了"
)

# Everyday compounds in which a colour or a thing is only a syllable.
IDIOMS = """
上海 青海 海南 海关 海报 海外 马上 马虎 花费 花时间 花钱 黄金周 明白 空白 白领 坦白 黑客 红利 红包 分红
网红 青年 青岛 粉丝 灰心 绿卡 蓝图 蓝牙 黑名单 白名单 山东 山西 江苏 江西 浙江 黑龙江 河南 河北 湖南 湖北
天津 今天 明天 昨天 每天 聊天 人工 人员 工人 个人 人民 别人 客人 用人 机器人 人类 大家 国家 专家 家庭 家长
手续 手动 手册 手段 手工 对手 选手 帮手 中心 核心 关心 放心 小心 心理 心情 信心 信息 信用 相信 通信 微信
短信 面向 面积 方面 页面 界面 前面 后面 里面 上面 下面 全面 表面 当面 面试 面对 水平 水准 薪水 火车站 灯光
路径 路由 线路 思路 网络 电路 门槛 部门 专门 热门 入门 钟头 分钟 包括 包含 书面 证书 说明书 文书 秘书 车间
楼层 石油 球员 全球 地球村 鱼龙 牛市 熊市 蛋白 蛋白质 糖尿病 雨林 云计算 云服务 阿里云 云端 雪花算法 沙特
木马 铁路 茶馆 金融 基金 资金 金额 奖金 现金 押金 租金 金属 银行 米兰 厘米 毫米 纳米 小米 粉末 杏仁
"""

# A unit of a text is a Chinese character or a word in Latin letters or digits, which stands as one `_WORD` in a line.
_WORD = "\0"
_LATIN = re.compile(r"([a-z]+(?:-[a-z]+)*|[0-9]+)")
_LINE = re.compile(rf"[{_WORD}\u3400-\u9fff]+")
_MAX_UNITS = 5  # units of a match
_MAX_GAP = 2  # units that may stand between a colour and its thing: "red wooden chair", "红色的小椅子"


@dataclass(frozen=True, slots=True)
class Thing:
    """One row of THINGS. `colours` has one band for an object, three (top, middle, bottom) for a scene."""

    colours: tuple[tuple[str, ...], ...]
    outline: str
    group: str


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What a text says of colours and things, in first words of the tables.

    Attributes:
        colours: Colours that belong to no thing.
        unwanted: Colours the text rules out.
        things: Each thing with the colours said of it.
        coverage: Share of the text's words that name a colour or a thing.
    """

    colours: tuple[str, ...]
    unwanted: tuple[str, ...]
    things: tuple[tuple[str, tuple[str, ...]], ...]
    coverage: float


def _names(words: str) -> list[str]:
    return [word.replace("_", " ") for word in words.split()]


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


@lru_cache(maxsize=1)
def colours() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the basic term and the sample colours of each colour's first word."""
    return {_names(words)[0]: (term, tuple(samples.split())) for term, words, samples in _rows(COLOURS)}


@lru_cache(maxsize=1)
def outlines() -> dict[str, tuple[str, ...]]:
    """Return the usual views of each outline by its name."""
    rows = (line.partition("|") for line in OUTLINES.strip().splitlines())
    return {name.strip(): tuple(view.strip() for view in views.split("||")) for name, _, views in rows}


@lru_cache(maxsize=1)
def things() -> dict[str, Thing]:
    """Return the colours and outline of each thing by its first word."""
    found = {}
    for words, colours, outline, group in _rows(THINGS):
        bands = (_names(band.replace(",", " ").replace("-", "")) for band in colours.split("/"))
        found[_names(words)[0]] = Thing(tuple(tuple(band) for band in bands), outline, group)
    return found


@lru_cache(maxsize=1)
def colour_words() -> dict[str, str]:
    """Return the first word of the colour each word names."""
    found: dict[str, str] = {}
    for _, words, _ in _rows(COLOURS):
        names = _names(words)
        for name in names:
            found.setdefault(name, names[0])
            if not name.isascii() and not name.endswith("色"):
                found.setdefault(name + "色", names[0])
    return found


@lru_cache(maxsize=1)
def _lexicon() -> dict[str, tuple[str, str]]:
    """Return kind and first word for every word that is not only a colour."""
    found = dict.fromkeys(IDIOMS.split(), ("idiom", ""))
    for words, *_ in _rows(THINGS):
        names = _names(words)
        found.update(dict.fromkeys(names, ("thing", names[0])))
    found.update((word, ("backdrop", word)) for word in BACKDROPS.split())
    found.update((word, ("negation", word)) for word in _names(NEGATIONS))
    return found


@lru_cache(maxsize=1)
def _known() -> dict[str, tuple[str, str]]:
    """Return kind and first word for every word; "both" is a colour and a thing."""
    known = {word: ("colour", word) for word in colour_words()}
    for word, (kind, name) in _lexicon().items():
        known[word] = ("both" if kind == "thing" and word in known else kind, name or word)
    return known


@lru_cache(maxsize=1)
def _longest() -> dict[str, int]:
    """Return the length of the longest Chinese word that is known and begins with these two characters."""
    found: dict[str, int] = {}
    for word in _known():
        if not word[0].isascii() and len(word) > 1:
            found[word[:2]] = max(len(word), found.get(word[:2], 0))
    return found


@lru_cache(maxsize=1)
def _starts() -> re.Pattern[str]:
    """Return a pattern of the places in a line of units where a mention may start; most characters start none."""
    alone = "".join(word for word in _known() if len(word) == 1)
    firsts, seconds = ("".join({pair[place] for pair in _longest()}) for place in (0, 1))
    return re.compile(f"[{_WORD}{alone}]|[{firsts}](?=[{seconds}])")


@lru_cache(maxsize=1)
def _phrase_beginnings() -> frozenset[str]:
    """Return the first of the English words of each entry that has several."""
    return frozenset(word.split()[0] for word in _known() if " " in word)


def _singular(word: str) -> tuple[str, ...]:
    if len(word) < 4 or not word.endswith("s"):
        return (word,)
    return (word, word[:-1], word[:-2], word[:-3] + "y")


def _units(text: str) -> tuple[str, list[str]]:
    """Return a character for each unit of a lower-cased text, and the words that are `_WORD` among them."""
    pieces = _LATIN.split(text.replace(_WORD, " "))
    return "".join(_LINE.findall(_WORD.join(pieces[::2]))), pieces[1::2]


def _mentions(line: str, words: list[str]) -> list[tuple[int, int, str, str]]:
    """Return (start, end, kind, first word) of the longest matches in what `_units` returns."""
    known, longest, found, end, order = _known(), _longest(), [], 0, 0
    for place in _starts().finditer(line):
        at = place.start()
        window = line[at : at + _MAX_UNITS]
        size = longest.get(window[:2], 1)
        if at < end:
            size = 0
        elif window[0] == _WORD or (size > 1 and _WORD in window):
            following = iter(words[order : order + _MAX_UNITS])
            size, match = _mixed([next(following) if unit == _WORD else unit for unit in window])
        else:
            size = min(size, len(window))
            while size and window[:size] not in known:
                size -= 1
            match = known[window[:size]] if size else ("", "")
        order += window[0] == _WORD
        if size:
            end = at + size
            found.append((at, end, *match))
    return found


def _mixed(units: list[str]) -> tuple[int, tuple[str, str]]:
    """Return how many units are the longest match at their beginning, 0 for none; and its kind and first word."""
    known, unit, following = _known(), units[0], units[1:2]
    if following and (
        unit + following[0][0] in _longest() if unit >= "\u3400" else _continues(unit, following[0])
    ):
        most = len(units)
    elif unit in known or unit.endswith("s"):
        most = 1
    else:
        return 0, ("", "")
    space = " " if unit.isascii() else ""
    for size in range(most, 0, -1):
        word = space.join(units[:size])
        match = known.get(word)
        if match is None and word.endswith("s"):
            match = next((known[form] for form in _singular(word) if form in known), None)
        if match is not None:
            return size, match
    return 0, ("", "")


def _continues(word: str, following: str) -> bool:
    """Return whether an entry may begin with an English word and go on with the next; "car's" is two units."""
    return word in _phrase_beginnings() or (len(following) < 3 and following.endswith("s"))


def read(text: str) -> Reading:
    """Find the colours and things a text names, and which colour belongs to which thing."""
    line, words = _units(text.lower())
    mentions = [m for m in _mentions(line, words) if m[2] != "idiom"]
    free: list[str] = []
    unwanted: list[str] = []
    named: list[tuple[str, tuple[str, ...]]] = []
    pending: list[str] = []
    last, negated, covered = -9, False, 0
    for order, (start, end, kind, word) in enumerate(mentions):
        if start - last > _MAX_GAP:
            free, pending, negated = free + pending, [], False
        follower = mentions[order + 1] if order + 1 < len(mentions) else (99, 0, "", "")
        leads = follower[2] in ("thing", "backdrop", "colour", "both") and follower[0] - end <= _MAX_GAP
        covered += (end - start) * (kind != "negation")
        if kind == "negation":
            free, pending, negated = free + pending, [], True
        elif kind in ("colour", "both"):
            (unwanted if negated else pending).append(colour_words()[word])
        if kind == "thing" or (kind == "both" and not leads):
            if not negated:
                named.append((word, tuple(pending)))
            pending, negated = [], False
        elif kind == "backdrop":
            pending, negated = [], False
        last = end
    return Reading(tuple(free + pending), tuple(unwanted), tuple(named), covered / max(len(line), 1))
