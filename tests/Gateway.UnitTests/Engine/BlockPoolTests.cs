using Gateway.Engine.Caching;
using Xunit;

namespace Gateway.UnitTests.Engine;

public sealed class BlockPoolTests
{
    private static readonly BlockKey s_root = BlockKey.Root("model", null, null);

    [Fact]
    public void TryTake_MoreThanFree_TakesNone()
    {
        var pool = new BlockPool(3);

        Assert.False(pool.TryTake(new int[4]));
        Assert.Equal(3, pool.Free);
    }

    [Fact]
    public void Return_EverythingTaken_MakesAllBlocksFreeAgain()
    {
        var pool = new BlockPool(5);
        var (first, second) = (new int[3], new int[2]);

        Assert.True(pool.TryTake(first));
        Assert.True(pool.TryTake(second));
        Assert.Equal(5, first.Concat(second).Distinct().Count());
        Assert.Equal(0, pool.Free);
        pool.Return(first);
        pool.Return(second);

        Assert.Equal(5, pool.Free);
    }

    [Fact]
    public void Return_BlockThatWasNotTaken_IsRefused() =>
        Assert.Throws<InvalidOperationException>(() => new BlockPool(2).Return([1]));

    [Fact]
    public void TryShare_PublishedBlock_IsFoundWhileHeldAndAfterwards()
    {
        var pool = new BlockPool(2);
        var key = Key(1);
        var block = Take(pool);
        Assert.False(pool.TryShare(key, out _));

        pool.Publish(block, key);

        Assert.True(pool.TryShare(key, out var shared));
        Assert.Equal((block, 1, 0), (shared, pool.Free, pool.HeldAlone([block])));
        pool.Return([block]);
        Assert.Equal((1, 1), (pool.Free, pool.HeldAlone([block])));
        pool.Return([block]);
        Assert.Equal(2, pool.Free);
        Assert.True(pool.TryShare(key, out shared));
        Assert.Equal((block, 1), (shared, pool.Free));
    }

    [Fact]
    public void TryTake_CachedBlocks_GoLastAndTheLeastRecentlyUsedFirst()
    {
        var pool = new BlockPool(4);
        var blocks = new int[3];
        pool.TryTake(blocks);
        for (var i = 0; i < 3; i++)
        {
            pool.Publish(blocks[i], Key(i));
        }

        pool.Return(blocks);
        // Returned last first; using the last one again makes it the most recent.
        Assert.True(pool.TryShare(Key(2), out var block));
        pool.Return([block]);

        Assert.DoesNotContain(Take(pool), blocks);
        Assert.Equal([blocks[1], blocks[0], blocks[2]], [Take(pool), Take(pool), Take(pool)]);
        Assert.Equal((0, 0), (pool.Free, pool.Published));
        Assert.False(pool.TryShare(Key(0), out _));
    }

    [Fact]
    public void Publish_KeyThatExists_LeavesTheFirstBlockFindable()
    {
        var pool = new BlockPool(2);
        var (first, second) = (Take(pool), Take(pool));

        pool.Publish(first, Key(1));
        pool.Publish(second, Key(1));

        Assert.True(pool.TryShare(Key(1), out var found));
        Assert.Equal(first, found);
        pool.Return([first, first, second]);
        Assert.Equal((2, 1), (pool.Free, pool.Published));
    }

    /// <summary>Against a model with sets: no block has two owners, counts agree, held blocks are never given away.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void RandomOperations_AgreeWithAModel(int seed)
    {
        var random = new Random(seed);
        var pool = new BlockPool(12);
        var holders = new List<int>();
        for (var step = 0; step < 20_000; step++)
        {
            if (random.Next(3) == 0)
            {
                if (pool.TryShare(Key(random.Next(30)), out var block))
                {
                    holders.Add(block);
                }
            }
            else if (random.Next(2) == 0)
            {
                var blocks = new int[random.Next(1, 4)];
                var fits = blocks.Length <= 12 - holders.Distinct().Count();
                Assert.Equal(fits, pool.TryTake(blocks));
                if (fits)
                {
                    Assert.Empty(blocks.Intersect(holders));
                    Assert.Equal(blocks.Length, blocks.Distinct().Count());
                    holders.AddRange(blocks);
                    pool.Publish(blocks[0], Key(random.Next(30)));
                }
            }
            else if (holders.Count > 0)
            {
                var index = random.Next(holders.Count);
                pool.Return([holders[index]]);
                holders.RemoveAt(index);
            }

            Assert.Equal(12 - holders.Distinct().Count(), pool.Free);
        }
    }

    [Fact]
    public void BlockKey_AnythingThatMatters_ChangesIt()
    {
        BlockKey[] roots = [s_root, BlockKey.Root("other", null, null), BlockKey.Root("model", "a", null), BlockKey.Root("model", null, "a"), BlockKey.Root("model", "", null), BlockKey.Root("mode", "la", null)];
        int[] tokens = [.. Enumerable.Range(0, 16)];
        int[] otherTokens = [.. tokens.Reverse()];
        var keys = roots.SelectMany(root => (BlockKey[])[root.Next(tokens), root.Next(otherTokens), root.Next(tokens).Next(tokens)]).ToList();

        Assert.Equal(keys.Count, keys.Distinct().Count());
        Assert.Equal(s_root.Next(tokens), BlockKey.Root("model", null, null).Next(tokens));
        Assert.All(keys, key => Assert.False(key.IsNone));
    }

    private static BlockKey Key(int content) => s_root.Next([content]);

    private static int Take(BlockPool pool)
    {
        var block = new int[1];
        Assert.True(pool.TryTake(block));
        return block[0];
    }
}
